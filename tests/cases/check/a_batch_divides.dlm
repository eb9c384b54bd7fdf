// error[E0313]: micro-batches of 3
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
    micro_batch: 3 seqs
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
