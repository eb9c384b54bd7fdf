// passes: proved by interval arithmetic
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = (1 - t) * exp(-t * sin(4 * t)^2)
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
