// error[E0303]: a share of the probability
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: first_hitting(top_p: 90))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
