// error[E0310]: a division by zero
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
    clip: 1 / 0
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
