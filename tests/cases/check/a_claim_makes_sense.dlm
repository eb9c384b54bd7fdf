// error[E0312]: against itself, both ways, joined
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [2K, 1K] tokens, train.clip: [1, 2] }
    replicates: 3
    expect: {
        let low = final(loss(valid), of: ar)
        crossover(loss(valid), of: mdm, under: mdm)
        crossover(loss(valid), of: mdm, under: ar, over: ar)
        crossover(loss(valid), of: mdm)
        gap(loss(valid), of: ar, to: ar) > 0
        low < low
        low < 2 and low > 1
        not low < 2
        low in [1, 2]
        low ^ 2 < 3
        true
        increasing(low, along: replicate)
        increasing(low, along: data.unique)
        increasing(low, along: clip) at clip == 1
        increasing(final(loss(valid), of: ar, each: best_over(clip)), along: clip)
        final(loss(valid), of: ar, each: best_over(replicate)) < 3
    }
}
