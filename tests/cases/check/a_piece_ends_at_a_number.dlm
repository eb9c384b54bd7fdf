// error[E0333]: pi / 4 is no fraction
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = if t < pi / 4 { 1 - t } else { 1 - t }
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
