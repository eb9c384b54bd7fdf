// error[E0201]: a case that is not there
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { size: cases { small: { model.dim: 8 }, large: { model.dim: 32 } }, where: size == smal }
}
