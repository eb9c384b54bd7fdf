// error[E0214]: a circle of three, said once
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let a = b + 1
let b = 2 * c
let c = a - 1

experiment e {
    model: tiny(dim: a)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
