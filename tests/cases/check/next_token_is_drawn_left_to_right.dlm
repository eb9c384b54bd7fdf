// error[E0337]: a causal model sees no mask behind
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(sampler: confidence(steps: 8))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
