// error[E0413]: two for one
use "../lib/small.dlm" { small, recipe, ar }

block two(x: [B, T, D]) {
    return (x, x)
}

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

model m() {
    return unembed(around(embed(tokens, 16), f: two))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
