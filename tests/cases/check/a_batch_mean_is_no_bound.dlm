// warning[W0302]: N3
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = masked_diffusion(schedule: keep, estimator: batch_mean)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
