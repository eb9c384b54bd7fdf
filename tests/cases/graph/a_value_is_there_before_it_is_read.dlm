// error[E0411]: assigned at index 3, read at index 1
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 6 as layer {
        if layer == 3 { v = x }
        if layer in [1, 5] { x = x + v }
    }
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
