// error[E0401]: 3 parts of 16
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    (a, b, c) = chunk(x, 3)
    return unembed(a + b * c)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
