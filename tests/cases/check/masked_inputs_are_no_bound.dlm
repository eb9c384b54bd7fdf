// warning[W0302]: the likelihood of another text
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(auxiliary: masked_inputs(rate: 15%, weight: 0.5))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
