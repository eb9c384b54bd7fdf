// error[E0303]: every step of billions
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 8K tokens
    epochs: 1_000_000_000
    seq: 16
    valid: 1K tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 steps, loss: valid }
    arms:  { a: { objective: ar } }
}
