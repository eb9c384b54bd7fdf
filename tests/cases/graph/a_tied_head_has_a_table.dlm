// error[E0407]: no embedding of tokens
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(positions, 16)
    return unembed(x, tied: true)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
