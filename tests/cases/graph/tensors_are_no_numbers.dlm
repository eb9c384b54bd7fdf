// error[E0405]: each in the other's place
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    y = linear(x, x) as a
    z = linear(16, 16) as b
    w = x / x
    return unembed(2 / x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
