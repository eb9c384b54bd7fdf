// error[E0341]: what does not go together
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        let low = final(loss(valid), of: ar)
        cross.epoch < low
        cross.epoch < cross.tokens
        cross < 3
        low before 3 epochs
        cross before cross.epoch
        low < 2 within 0.1
        low == 2
        low * low < 3
        low.epoch < 3 epochs
        onset(loss(valid), of: ar) < 3
        onset(loss(valid), of: ar) before 3 epochs
        ar < 2
        loss(valid) < 2
        (low < 2) + 1 < 3
        low == 2 within low
        published(low, "here") < low
    }
}
