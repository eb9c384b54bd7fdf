// error[E0302]: shown where it is written and where it is used
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let rows = 8

experiment e {
    model: tiny()
    data:  small
    train: recipe { batch: rows }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
