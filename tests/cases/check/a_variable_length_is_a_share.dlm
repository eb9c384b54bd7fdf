// error[E0303]: a share of the steps
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = masked_diffusion(schedule: keep, variable_length: 2)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
