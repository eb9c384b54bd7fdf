// error[E0311]: validation comes from elsewhere
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    valid_source: files("{data}/valid.txt")
    tokenizer: bytes
    split: tail
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
