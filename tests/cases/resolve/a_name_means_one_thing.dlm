// error[E0213]: a let and a definition of one name
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let small = { seq: 8 }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
