// error[E0303]: with a weight of 0 half of each step is for nothing
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(auxiliary: masked_inputs(rate: 15%, weight: 0))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
