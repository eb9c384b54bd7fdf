// error[E0203]: a let that no experiment reaches
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = 32

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
