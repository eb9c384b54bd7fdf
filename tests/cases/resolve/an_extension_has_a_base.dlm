// error[E0201]: a base that is not there
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

data larger = smal { unique: 8K tokens }

experiment e {
    model: tiny()
    data:  larger
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
