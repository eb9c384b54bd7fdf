// passes: the same as the derived weight, by a trigonometric identity
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = cos(pi / 2 * t)
schedule w(t) = pi / 2 * sin(pi / 2 * t) / (1 - cos(pi / 2 * t))
objective mdm = masked_diffusion(schedule: s, weight: w, estimator: bernoulli)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
