// error[E0208]: nothing follows from it
use "../lib/small.dlm" { small, ar, tiny }

train t {
    bacth: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
}

experiment e {
    modle: tiny()
    data:  small
    train: t
    evall: { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
