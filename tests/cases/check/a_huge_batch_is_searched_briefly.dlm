// error[E0313]: no divisor is near
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 1_000_000_000_000_000_003 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
    micro_batch: 1_000_000_007 seqs
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
