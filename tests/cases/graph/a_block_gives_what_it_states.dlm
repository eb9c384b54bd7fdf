// error[E0401]: the stated result
use "../lib/small.dlm" { small, recipe, ar }

block widen(x: [B, T, D]) -> [B, T, D] {
    return linear(x, 2 * D)
}

model m() {
    return unembed(widen(embed(tokens, 16)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
