// error[E0338]: 12 tokens are no whole number of blocks of 5
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: confidence(steps: 8, block: 5))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid, sample: 12 tokens }
    arms:  { a: { objective: o } }
}
