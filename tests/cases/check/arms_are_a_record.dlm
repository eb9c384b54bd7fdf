// error[E0301]: a list of arms
use "../lib/small.dlm" { small, recipe, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  [1]
}
