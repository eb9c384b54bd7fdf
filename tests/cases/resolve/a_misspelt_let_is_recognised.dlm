// error[E0201]: a let that is not there, in arithmetic
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = 32

experiment e {
    model: tiny(dim: 2 * widht + width)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
