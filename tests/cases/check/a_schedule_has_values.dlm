// error[E0309]: no value at 0
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 + log(t)
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
