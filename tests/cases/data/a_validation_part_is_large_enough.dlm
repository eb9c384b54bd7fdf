// error[E0502]: documents shorter than a sequence
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 8192 tokens
    epochs: 4
    seq: 1024
    valid: 8K tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe 
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
