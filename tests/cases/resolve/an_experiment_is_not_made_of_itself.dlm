// error[E0214]: a circle of experiments
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e = e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
