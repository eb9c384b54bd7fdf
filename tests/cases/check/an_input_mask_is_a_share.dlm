// error[E0303]: no chance is above 1
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(input_mask: 1.5)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
