// error[E0301]: a weight is no loss
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(auxiliary: 0.5)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
