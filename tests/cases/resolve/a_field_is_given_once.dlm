// error[E0209]: twice in one record
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3, lr: 1e-4)
    lr_schedule: constant()
    batch: 16 seqs
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
