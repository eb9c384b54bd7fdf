// error[E0201]: with the closest name
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

block outer(x: [B, T, D], inner: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return around(x, f: iner)
}

model m() {
    return unembed(outer(embed(tokens, 16), inner: rmsnrom))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
