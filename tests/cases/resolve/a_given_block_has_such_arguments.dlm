// error[E0208]: and the caller gives none
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x, eps: 1e-5)
}

model m() {
    return unembed(around(embed(tokens, 16), f: rmsnorm(epsilon: 1e-5)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
