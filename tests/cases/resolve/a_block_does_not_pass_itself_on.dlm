// error[E0207]: by way of another block
use "../lib/small.dlm" { small, recipe, ar }

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

block circle(x: [B, T, D]) -> [B, T, D] {
    return around(x, f: circle)
}

model m() {
    return unembed(circle(embed(tokens, 16)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
