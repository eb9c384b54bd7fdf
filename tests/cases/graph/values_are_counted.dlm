// error[E0409]: two names for one value
use "../lib/small.dlm" { small, recipe, ar }

block pair(x: [B, T, D]) -> ([B, T, D], [B, T, D]) {
    return (x, x)
}

model m() {
    x = embed(tokens, 16)
    (a, b) = linear(x, 16)
    c = pair(x)
    return unembed(a)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
