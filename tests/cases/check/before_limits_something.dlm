// error[E0311]: later than everything
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        crossover(loss(valid), of: mdm, under: ar) before 5 epochs
        crossover(loss(valid), of: mdm, under: ar) before 4 epochs
    }
}
