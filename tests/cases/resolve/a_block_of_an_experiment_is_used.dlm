// passes: given for a parameter of the model
use "../lib/small.dlm" { small, recipe, ar }

block own(x: [B, T, D], n: int, f: block([B, T, D]) -> [B, T, D] = silu) -> [B, T, D] {
    return f(linear(x, D) * n)
}

block act(x: [B, T, D]) -> [B, T, D] {
    return gelu(x)
}

model m(f: block([B, T, D]) -> [B, T, D]) {
    return unembed(f(embed(tokens, 16)))
}

experiment e {
    model: m(f: own(n: 3, f: act))
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
