// error[E0206]: a block where a model is due
use "../lib/small.dlm" { small, recipe, ar }

block m(x: [B, T, D]) {
    return x
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
