// passes: three axes, twelve points
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: {
        data.unique: [2K, 4K] tokens
        train.optimizer.lr: log(1e-4..1e-2, 3)
        size: cases { small: { model.dim: 16 }, large: { model.dim: 32, train.clip: 1.0 } }
    }
}
