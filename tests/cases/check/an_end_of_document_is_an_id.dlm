// error[E0303]: ids go from 0
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("{data}/train.bin", u16)
    tokenizer: ids(50257, eod: 50257)
    unique: 4K tokens
    epochs: 4
    seq: 16
    valid: 1K tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
