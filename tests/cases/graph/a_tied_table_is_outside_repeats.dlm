// error[E0407]: a table in a repeat
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    repeat 2 as layer {
        y = embed(tokens, 16)
    }
    x = linear(embed(positions, 16), 320)
    return unembed(x, tied: true)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
