// error[E0413]: in tensors and in what is open
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

block outer(x: [B, T, D], g: block([B, T, D], [B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return around(x, f: g) + around(x, f: g(eps: 1)) as again
}

block two(x: [B, T, D]) -> ([B, T, D], [B, T, D]) {
    return (x, x)
}

model m() {
    x = embed(tokens, 16)
    x = around(x, f: attend)
    x = around(x, f: linear)
    x = around(x, f: linear(16))
    x = around(x, f: linear(x: x, out: 16))
    x = around(x, f: two)
    x = around(x, f: 3)
    return unembed(outer(x, g: attend))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
