// passes: every form of a claim
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: {
        data.unique: [1K, 2K, 4K] tokens
        train.optimizer.lr: [1e-3, 3e-3]
        size: cases { small: { model.dim: 16 }, large: { model.dim: 32 } }
    }
    replicates: 3
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        let top = best(loss(valid), of: ar)
        let limit = 2 * 1.5 epochs
        let onset = onset(loss(valid), of: ar)
        cross at data.unique in [1K, 2K] tokens
        no cross at data.unique == 4K tokens and size == small
        cross before limit at not (unique > 2K tokens or size in [large])
        no cross before 100 steps at 1K tokens < data.unique
        increasing(cross.epoch, along: data.unique)
        decreasing(final(loss(valid), of: ar), along: data.unique) at optimizer.lr == 1e-3
        best(loss(valid), of: mdm) < top
        onset(loss(valid), of: ar) at data.unique == 1K tokens
        no onset(loss(valid), of: mdm)
        increasing(onset.epoch, along: data.unique)
        onset.epoch < cross.epoch
        onset(loss(valid), of: ar, each: best_over(lr))
        top.epoch <= 3 epochs at unique in 1K..2K tokens
        gap(loss(valid), of: ar, to: mdm) > 0.02
        gap(loss(valid), of: ar, to: mdm) / final(loss(valid), of: mdm) >= 1%
        final(loss(valid), of: ar) == 1.88 within 0.02
        no final(loss(valid), of: ar) == published(1.88, "nanoGPT README") within 5%
        final(loss(valid), of: ar) - 0.1 != 2 * final(loss(valid), of: mdm)
        crossover(loss(valid), of: ar, over: mdm, each: best_over(train.optimizer.lr))
        best(loss(valid), of: mdm, each: best_over(lr, size)) < best(loss(valid), of: ar, each: best_over(lr, size))
    }
}
