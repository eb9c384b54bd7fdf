// error[E0305]: unique x epochs is not total
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4K tokens
    epochs: 4
    seq: 16
    valid: 1K tokens
    total: 1M tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
