// passes: unique x epochs is total
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4_000 tokens
    epochs: 4
    seq: 16
    valid: 1K tokens
    total: 16_000 tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
