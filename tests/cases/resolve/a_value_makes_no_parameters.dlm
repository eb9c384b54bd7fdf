// error[E0311]: names for parameters where there are none
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data: small
    train: recipe { lr_schedule: constant() as w }
    eval: { every: 1 epoch, loss: valid }
    sweep: { train.optimizer.lr: log(1e-4..1e-2, 3) as w }
    arms: { ar: { objective: ar }, mdm: { objective: mdm } }
}
