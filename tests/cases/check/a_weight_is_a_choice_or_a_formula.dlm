// error[E0201]: no choice, and no schedule
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - t
objective mdm = masked_diffusion(schedule: s, weight: ebo)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
