// passes: a norm and a feed-forward of the caller
use "../lib/small.dlm" { small, recipe, ar }

block swiglu(x: [B, T, D], hidden: int) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

block twice(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(f(x) as first) as second
}

block layer(
    x: [B, T, D],
    ffn: block([B, T, D]) -> [B, T, D],
    norm: block([B, T, W]) -> [B, T, W] = rmsnorm,
) -> [B, T, D] {
    low = norm(linear(norm(x) as into, 4) as low) as lower
    return x + ffn(x) + linear(twice(low, f: norm), D) as out
}

block gated(x: [B, T, D], by: block([B, T, D], [B, T, D]) -> ([B, T, D], [B, T, D])) -> [B, T, D] {
    (a, b) = by(x, -x)
    return a * b
}

block both(x: [B, T, D], y: [B, T, D], n: int = 2) -> ([B, T, D], [B, T, D]) {
    return (linear(x, D) as l, y * n)
}

model m(norm: block([B, T, D]) -> [B, T, D], width: int = 12) {
    x = embed(tokens, 16)
    repeat 4 as i {
        x = layer(x, ffn: swiglu(hidden: width + 2 * (i % 2)), norm: norm)
    }
    x = layer(x, ffn: layer(ffn: linear(out: 16), norm: layernorm(eps: 1e-3)))
    x = gated(x, by: both(n: 3)) + twice(x, f: silu)
    return unembed(x)
}

experiment e {
    model: m(norm: layernorm(eps: 1e-4))
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
