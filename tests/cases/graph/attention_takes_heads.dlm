// error[E0401]: not split into heads
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    return unembed(attend(x, x, x))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
