// error[E0301]: a text, a list, a record
use "../lib/small.dlm" { small, ar, tiny }

train t {
    batch: "8"
    optimizer: 3
    lr_schedule: constant()
    clip: [1.0]
    seeds: 7
}

experiment e {
    model: tiny()
    data:  small
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
