// error[E0208]: no such member
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross.epochs < 3 epochs
        cross.loss < 3
    }
}
