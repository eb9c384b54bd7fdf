// passes: read in a repeat, made outside
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 2 as layer {
        x = x + linear(unembed(x, tied: true), 16)
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
