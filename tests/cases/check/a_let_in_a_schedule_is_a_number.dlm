// error[E0301]: a length in tokens is no number
use "../lib/small.dlm" { small, recipe, tiny }

let half = 2 tokens
schedule s(t) = 1 - t * half
objective mdm = masked_diffusion(schedule: s)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
