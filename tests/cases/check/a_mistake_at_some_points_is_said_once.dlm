// error[E0303]: what is wrong at three of six points
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [8, 4K] tokens, model.dim: [8, 16, 32] }
}
