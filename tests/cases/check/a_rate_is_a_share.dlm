// error[E0303]: rates are above 0 and at most 1
use "../lib/small.dlm" { small, recipe, tiny }

objective o = masked_lm(rate: 15)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
