// error[E0312]: against itself, both ways, unmeasured
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        crossover(loss(valid), of: mdm, under: mdm)
        crossover(loss(valid), of: mdm, under: ar, over: ar)
        crossover(loss(train), of: mdm, under: ar)
    }
}
