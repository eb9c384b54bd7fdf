// passes: every count occurs
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = masked_diffusion(schedule: keep, t: importance(1e-3, 1))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
