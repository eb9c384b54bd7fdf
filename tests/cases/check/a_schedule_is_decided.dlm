// error[E0331]: neither proved nor refuted next to 0
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - t^(1 + t)
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
