// error[E0322]: two cases that set the same
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { size: cases { small: { model.dim: 8 }, large: { model.dim: 32 }, wide: { model.dim: 32 } } }
}
