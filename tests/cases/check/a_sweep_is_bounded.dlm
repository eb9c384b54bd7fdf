// error[E0324]: forty thousand runs
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { train.optimizer.lr: log(1e-4..1e-2, 200), train.clip: linear(1..2, 100) }
}
