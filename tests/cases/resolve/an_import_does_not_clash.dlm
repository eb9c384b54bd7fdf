// error[E0202]: imported and defined
use "../lib/small.dlm" { small, recipe, ar, tiny }

train recipe {
    batch: 4 seqs
}

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
