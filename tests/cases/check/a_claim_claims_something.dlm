// error[E0343]: nothing is claimed
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [1K, 2K] tokens }
    expect: {
        2
        final(loss(valid), of: ar)
        best(loss(valid), of: ar)
        2 < 3
        published(2, "there") > 1
        increasing(2, along: data.unique)
    }
}
