// error[E0210]: how wide an id is
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("{data}/train.bin")
    tokenizer: ids(50257)
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
