// error[E0301]: a text against a number
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let dim = if "a" == 4 { 16 } else { 32 }

experiment e {
    model: tiny(dim: dim)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
