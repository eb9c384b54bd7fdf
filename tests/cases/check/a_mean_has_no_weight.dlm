// error[E0311]: a mean over masked tokens weighs each alike
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = masked_diffusion(schedule: keep, estimator: row_mean, weight: elbo)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
