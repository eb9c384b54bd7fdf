// passes: three pieces that meet
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = if t <= 0.25 { 1 - 2 * t } else if t in 0.25..0.75 { 0.5 } else { 2 * (1 - t) }
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
