// error[E0303]: nothing is within nothing
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        final(loss(valid), of: ar) == 2 within -0.1
        final(loss(valid), of: ar) == 2 within 0
        crossover(loss(valid), of: mdm, under: ar) before 0 epochs
    }
}
