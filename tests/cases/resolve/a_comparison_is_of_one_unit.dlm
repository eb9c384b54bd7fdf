// error[E0302]: tokens against steps
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let dim = if 3 tokens < 4 steps { 16 } else { 32 }

experiment e {
    model: tiny(dim: dim)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
