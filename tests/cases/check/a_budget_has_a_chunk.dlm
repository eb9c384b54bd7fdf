// error[E0303]: less than one sequence
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 100 tokens
    epochs: 4
    seq: 512
    valid: 1K tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
