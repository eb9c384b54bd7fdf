// error[E0301]: what is no condition
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
        let low = final(loss(valid), of: ar)
        cross at size
        cross at size < large
        cross at size in small..large
        cross at data.unique in 1K tokens
        cross at data.unique == low
        low < 2 at 3 == 4
    }
}
