// passes: two of them, matched at each point
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar, train.clip: 1.0 }, mdm: { objective: mdm, train.clip: 0.5 } }
    factors: [objective, train.clip]
    sweep: { data.unique: [2K, 4K] tokens }
}
