// error[E0337]: a token that may be noise is never decided
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = uniform_diffusion(schedule: keep, sampler: ancestral(steps: 8))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
