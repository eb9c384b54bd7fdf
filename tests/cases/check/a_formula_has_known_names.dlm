// error[E0201]: `x` is not its variable
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - x
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
