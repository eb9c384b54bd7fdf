// error[E0202]: two meanings
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let low = final(loss(valid), of: ar)
        let low = best(loss(valid), of: ar)
        low < 3
    }
}
