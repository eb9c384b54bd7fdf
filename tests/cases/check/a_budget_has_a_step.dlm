// error[E0303]: less than one batch
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 100_000 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
