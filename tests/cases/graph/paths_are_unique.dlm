// error[E0403]: two maps of one name
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    x = linear(x, 16)
    x = linear(x, 16)
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
