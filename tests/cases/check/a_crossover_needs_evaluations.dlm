// error[E0344]: too few evaluations
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    eval:  { every: 2 epochs, loss: valid }
    expect: {
        crossover(loss(valid), of: mdm, under: ar)
    }
}
