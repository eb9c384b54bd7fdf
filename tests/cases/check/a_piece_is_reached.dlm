// error[E0311]: nothing is left for the second branch
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = if t < 0.5 { 1 - t } else if t < 0.25 { 1 } else { 1 - t }
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
