// error[E0407]: a table in a repeat
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(positions, 16) as place
    repeat 2 as layer {
        x = x + embed(tokens, 16)
    }
    return unembed(x, tied: true)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
