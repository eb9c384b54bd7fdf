// error[E0303]: a width of 0
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny(dim: 0)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
