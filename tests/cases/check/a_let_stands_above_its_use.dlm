// error[E0340]: before it is there, or by itself
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        cross before 3 epochs
        let cross = crossover(loss(valid), of: mdm, under: ar)
        let low = low - final(loss(valid), of: ar)
        low < 3
    }
}
