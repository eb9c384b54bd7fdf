// error[E0405]: a pair of pairs
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    (a, b) = (x, x)
    (a, b) = ((a, b), (a, b))
    return unembed(a)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
