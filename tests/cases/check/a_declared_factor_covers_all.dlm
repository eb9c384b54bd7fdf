// error[E0307]: a factor that is not declared
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  {
        a: { objective: ar }
        b: { objective: mdm, train: { clip: 0.5 } }
    }
    factors: [objective]
}
