// error[E0303]: 10^21 tokens
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: all
    seq: 16
    valid: 1K tokens
    total: 1_000_000_000T tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
