// warning[W0302]: one mask rate
use "../lib/small.dlm" { small, recipe, tiny }

objective o = masked_lm(rate: 15%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
