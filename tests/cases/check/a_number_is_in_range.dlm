// error[E0303]: rates, betas and shares
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    optimizer: adamw(lr: -1e-3, betas: (0.9, 1.5))
    lr_schedule: wsd(warmup: 60%, decay: 60%)
    clip: 0
    ema: 1.5
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
