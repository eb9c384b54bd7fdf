// error[E0203]: a let alone
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        let low = final(loss(valid), of: ar)
        low < 3
    }
}
