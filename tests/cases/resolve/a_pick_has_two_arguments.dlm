// error[E0210]: by position
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 4 { collect h = x }
    return unembed(pick(h) + pick(h, index: 0))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
