// error[E0335]: at t = 0 a token is noise with chance 1e-3
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = (1 - 1e-3) * (1 - t)
objective o = uniform_diffusion(schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
