// passes: N2 with every k alike
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = (1 - t^2) / (1 + t)
objective o = masked_diffusion(schedule: keep, estimator: row_mean, variable_length: 1%, shift: true)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
