// error[E0210]: train without an optimizer
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: 8 seqs
    lr_schedule: constant()
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
