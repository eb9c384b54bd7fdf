// error[E0301]: a word where a number is due, close to a let
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let rate = 1e-3

experiment e {
    model: tiny()
    data:  small
    train: recipe { optimizer: adamw(lr: rat), clip: rate }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
