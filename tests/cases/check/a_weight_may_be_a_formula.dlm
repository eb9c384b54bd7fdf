// warning[W0302]: no bound: not the derived weight
use "../lib/small.dlm" { small, recipe, tiny }

schedule s(t) = 1 - t
schedule w(t) = if t < 0.1 { 10 } else { 1 / t }
objective mdm = masked_diffusion(schedule: s, weight: w)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
