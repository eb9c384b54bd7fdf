// error[E0405]: a tensor parameter
use "../lib/small.dlm" { small, recipe, ar }

model m(x: [B, T, D]) {
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
