// error[E0330]: 0.5 before the joint, 0.4 after it
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = if t < 0.5 { 1 - t } else { 0.8 - 0.8 * t }
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
