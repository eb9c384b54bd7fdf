// passes: a formula of functions
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = cos(pi / 2 * t)^2
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
