// error[E0342]: no point of the sweep
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: {
        data.unique: [1K, 2K] tokens
        size: cases { small: { model.dim: 16 }, large: { model.dim: 32 } }
    }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross at data.unique == 3K tokens
        cross at data.unique > 2K tokens
        cross at size == smal
        cross at size in [small, huge]
        cross at size == small and size == large
    }
}
