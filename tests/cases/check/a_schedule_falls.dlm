// error[E0309]: it rises in the middle
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - t + 0.2 * sin(2 * pi * t)^2
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
