// error[E0301]: a number has none
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = 32

experiment e {
    model: tiny()
    data:  small
    train: recipe { seeds: width { init: 1 } }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
