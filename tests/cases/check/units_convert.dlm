// passes: steps, percent, epochs
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: wsd(warmup: 10 steps, decay: 10%, floor: 0.1)
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 50%, loss: valid }
    arms:  { a: { objective: ar } }
}
