// error[E0201]: no sweep, no axis
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross at data.unique == 1K tokens
        increasing(cross.epoch, along: data.unique)
    }
}
