// error[E0303]: a negative temperature prefers the unlikely
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(sampler: left_to_right(temperature: -1))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
