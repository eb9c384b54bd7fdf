// error[E0309]: a rounded pi makes it negative
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = cos(1.5707963268 * t)
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
