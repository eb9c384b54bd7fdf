// passes: depth per arm, width per point
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    objective: ar
    arms:  { narrow: { model.dim: 8 }, wide: { model.dim: 32 } }
    sweep: { train.optimizer.lr: [1e-3, 1e-4] }
}
