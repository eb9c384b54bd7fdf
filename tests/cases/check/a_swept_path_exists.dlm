// error[E0208]: a field that data does not have, once for all points
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.uniqe: [2K, 4K] tokens, model.dim: [8, 16] }
}
