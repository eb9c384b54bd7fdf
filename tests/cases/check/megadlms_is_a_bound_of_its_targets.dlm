// passes: N2 without context
use "../lib/small.dlm" { small, recipe, tiny }

objective o = megadlms(sampler: margin(steps: 4))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
