// error[E0311]: no arm sets it
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar }, b: { objective: mdm } }
    factors: [objective, train.clip]
}
