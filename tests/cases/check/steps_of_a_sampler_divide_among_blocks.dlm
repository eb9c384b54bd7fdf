// error[E0338]: 8 steps for 3 blocks
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: margin(8, 4))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid, sample: 12 tokens }
    arms:  { a: { objective: o } }
}
