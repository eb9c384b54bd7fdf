// passes: blocks inside blocks inside each other, and an end to it
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

block inner(x: [B, T, D]) -> [B, T, D] {
    return around(x, f: rmsnorm)
}

model m() {
    return unembed(around(embed(tokens, 16), f: around(f: around(f: inner))))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
