// error[E0407]: 16 wide, not the vocabulary
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    return embed(tokens, 16)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
