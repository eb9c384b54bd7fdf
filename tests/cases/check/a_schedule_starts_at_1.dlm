// error[E0308]: alpha(0) is 0.7
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 0.7 - 0.7 * t
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
