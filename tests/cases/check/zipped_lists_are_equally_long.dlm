// error[E0320]: three against two
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { shape: zip { model.dim: [8, 16, 32], train.clip: [0.5, 1.0] } }
}
