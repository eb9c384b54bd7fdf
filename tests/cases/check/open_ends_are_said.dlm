// warning[W0302]: open ends are no bound
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 0.7 - 0.5 * t
objective mdm = masked_diffusion(schedule: s, ends: open)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
