// error[E0208]: a record without that field
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let sizes = { small: 16, large: 32 }

experiment e {
    model: tiny(dim: sizes.huge)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
