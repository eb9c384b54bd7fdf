// warning[W0301]: log-linear with eps 1e-3
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - (1 - 1e-3) * t
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
