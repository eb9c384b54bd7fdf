// error[E0303]: no step draws nothing
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: confidence(steps: 0))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
