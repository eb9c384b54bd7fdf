// passes: lists that move together, a condition, a draw
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: {
        shape: zip { model.dim: [8, 16, 32], train.clip: [0.5, 1.0, none] }
        data.unique: linear(1K tokens..4K tokens, 4)
        where: shape != "8+0.5" or data.unique <= 2K tokens
        keep: random(5, seed: 3)
    }
    replicates: 3
}
