// warning[W0302]: masks drawn one by one never reach the last of the bound
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - (1 - 1e-3) * t
objective mdm = masked_diffusion(schedule: s, estimator: bernoulli)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
