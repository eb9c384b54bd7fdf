// error[E0301]: no value of a block
use "../lib/small.dlm" { small, ar, tiny }

train u {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant()
    clip: x.y
}

experiment e {
    model: tiny()
    data:  small
    train: u
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
