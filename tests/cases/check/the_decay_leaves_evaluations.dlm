// error[E0344]: too few before the decay
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe { lr_schedule: wsd(warmup: 2%, decay: 60%, floor: 10%) }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        crossover(loss(valid), of: mdm, under: ar)
    }
}
