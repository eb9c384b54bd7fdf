// error[E0311]: two cases that both set what is there
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { size: cases { one: { model.dim: 16 }, other: { model: tiny() } }, data.unique: [2K, 4K] tokens }
}
