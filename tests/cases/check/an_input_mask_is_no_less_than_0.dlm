// error[E0303]: no chance is below 0
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(input_mask: -10%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
