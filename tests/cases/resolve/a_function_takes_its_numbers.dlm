// error[E0210]: two arguments for floor
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny(dim: floor(33, 2))
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
