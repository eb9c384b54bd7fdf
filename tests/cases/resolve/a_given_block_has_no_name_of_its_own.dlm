// error[E0311]: the parameter names it
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

model m() {
    return unembed(around(embed(tokens, 16), f: share rmsnorm(eps: 1e-3) as norm))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
