// error[E0338]: one token of a sequence is context
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: first_hitting(block: 16))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid, sample: 15 tokens }
    arms:  { a: { objective: o } }
}
