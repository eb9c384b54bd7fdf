// error[E0321]: a case sets what another axis sets
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { model.dim: [8, 16], size: cases { small: { model.dim: 16 }, large: { model.dim: 32 } } }
}
