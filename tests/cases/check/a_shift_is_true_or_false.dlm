// error[E0301]: a shift is by one or none
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = masked_diffusion(schedule: keep, shift: 1)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
