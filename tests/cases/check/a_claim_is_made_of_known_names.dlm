// error[E0201]: no such claim
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        crosover(loss(valid), of: mdm, under: ar)
        cros
        cross.epoch < limit
        plateau(loss(valid), of: ar)
    }
}
