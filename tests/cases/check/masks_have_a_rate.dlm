// error[E0303]: nothing would be predicted
use "../lib/small.dlm" { small, recipe, tiny }

objective o = masked_lm(rate: 0%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
