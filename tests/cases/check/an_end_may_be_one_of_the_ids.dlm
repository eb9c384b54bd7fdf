// passes: 50256 ends a document, and the mask is the next id
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("{data}/train.bin", u16)
    tokenizer: ids(50257, eod: 50256)
    vocab: 50304
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
    allow: [corpus_elsewhere]
}
