// error[E0332]: the slope is infinite at t = 1, where all is masked
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = sqrt(1 - t)
objective mdm = masked_diffusion(schedule: s, estimator: bernoulli)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
