// error[E0201]: no such sampler
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(sampler: nucleus(0.9))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
