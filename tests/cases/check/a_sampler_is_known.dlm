// error[E0201]: a misspelt sampler
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: confidense(steps: 4))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
