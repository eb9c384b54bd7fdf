// passes: named apart
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    x = linear(x, 16) as first
    x = linear(x, 16) as second
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
