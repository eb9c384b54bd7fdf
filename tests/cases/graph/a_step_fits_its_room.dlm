// error[E0415]: state and gradients alone are more than a step may hold
use "../lib/small.dlm" { recipe, ar, small, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe { memory: 100 KiB }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
