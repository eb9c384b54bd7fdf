// error[E0208]: k is uniform
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(t: stratified(0.1, 1))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
