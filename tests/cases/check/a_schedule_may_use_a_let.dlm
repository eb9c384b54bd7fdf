// passes: two names and a field of a record
use "../lib/small.dlm" { small, recipe, tiny }

let half = 1 / 2
let noise = { power: 2 }
schedule s(t) = if t < half { 1 - t / 2 } else { 3 * (1 - t)^noise.power }
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
