// error[E0347]: one arm does not measure it, one point does not
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    objective: ar
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        base:  {}
        twice: { eval.loss: [valid, train] }
    }
    factors: [eval.loss]
    expect: {
        crossover(loss(train), of: base, under: twice)
        final(loss(valid), of: base) < final(loss(train), of: twice)
        onset(loss(train), of: base)
    }
}
