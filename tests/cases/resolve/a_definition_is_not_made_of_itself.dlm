// error[E0214]: data of data of itself
use "../lib/small.dlm" { recipe, ar, mdm, tiny }

data first = second { seq: 16 }
data second = first { epochs: 2 }

experiment e {
    model: tiny()
    data:  second
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
