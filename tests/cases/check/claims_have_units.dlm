// error[E0302]: a unit that is missing, or another
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [1K, 2K] tokens }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross.epoch < 3
        cross before 30
        cross before 3 docs
        cross.epoch == 3 epochs within 1 step
        final(loss(valid), of: ar) == 2 within 1 epoch
        cross at data.unique == 1K
        cross at data.unique in [1K, 2K] bytes
    }
}
