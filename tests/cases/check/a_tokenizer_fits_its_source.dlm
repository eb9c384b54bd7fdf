// error[E0504]: pairs are learned from text, and ids are made of it
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("{data}/train.bin", u16)
    valid_source: files("{data}/valid.txt")
    tokenizer: ids(50257, eod: 50256)
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
