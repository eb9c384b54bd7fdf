// error[E0208]: a network call for each token
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: first_hitting(steps: 4))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
