// error[E0201]: an axis that is there
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [1K, 2K] tokens, train.optimizer.lr: [1e-3, 3e-3] }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross at data.uniqe == 1K tokens
        cross at epochs == 3
        increasing(cross.epoch, along: unik)
        crossover(loss(valid), of: mdm, under: ar, each: best_over(train.optimiser.lr))
    }
}
