// error[E0347]: nothing of the kind, misspelt, of no task or set
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        crossover(loss(wiki), of: mdm, under: ar)
        final(arcade.acc_norm, of: mdm) > 0.3
        best(loss(vallid), of: mdm) < 2
        onset(loss, of: ar)
        gap(hellaswag.accuracy, of: mdm, to: ar) > 1%
        final(3, of: ar) < 2
    }
}
