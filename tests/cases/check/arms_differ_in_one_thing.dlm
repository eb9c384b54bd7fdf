// error[E0307]: a second, undeclared difference
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
}
