// error[E0502]: 40 ids
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("../../fixtures/corpora/few.bin", u16)
    tokenizer: ids(100)
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
