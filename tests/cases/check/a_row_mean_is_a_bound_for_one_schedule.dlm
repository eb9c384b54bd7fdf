// warning[W0302]: the law of k is another
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t^2
objective o = masked_diffusion(schedule: keep, estimator: row_mean)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
