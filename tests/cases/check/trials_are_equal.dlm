// error[E0345]: nothing to choose from
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [1K, 2K] tokens, train.clip: [1, 2] }
    expect: {
        best(loss(valid), of: mdm, each: best_over(clip)) < best(loss(valid), of: ar, each: best_over(clip)) at clip == 1
        best(loss(valid), of: mdm, each: best_over(clip)) < best(loss(valid), of: ar)
        crossover(loss(valid), of: mdm, under: ar, each: best_over(unique)) at unique == 1K tokens
    }
}
