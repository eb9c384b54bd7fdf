// error[E0210]: one, not two
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x, x)
}

model m() {
    return unembed(around(embed(tokens, 16), f: rmsnorm))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
