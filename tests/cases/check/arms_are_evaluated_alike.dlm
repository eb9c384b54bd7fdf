// error[E0346]: other steps, other documents
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    objective: ar
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        base:   {}
        large:  { train.batch: 16 seqs }
        seldom: { eval.every: 20% }
        apart:  { data.valid: 2K tokens }
    }
    factors: [train.batch, eval.every, data.valid]
    expect: {
        crossover(loss(valid), of: base, under: large)
        crossover(loss(valid), of: base, under: seldom)
        best(loss(valid), of: base) < best(loss(valid), of: apart)
    }
}
