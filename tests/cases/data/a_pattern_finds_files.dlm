// error[E0501]: no file matches, and one is a folder
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: files("{torch}/*.rs", "../lib")
    tokenizer: bytes
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
