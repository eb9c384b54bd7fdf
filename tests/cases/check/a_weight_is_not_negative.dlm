// error[E0332]: negative beyond t = 0.5
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - t
schedule w(t) = 1 - 2 * t
objective mdm = masked_diffusion(schedule: s, weight: w)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
