// error[E0311]: nothing to tokenize, split or cut
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: random(vocab: 512)
    tokenizer: bytes
    split: documents
    duplicates: remove
    max_per_document: { unique: 64 tokens }
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
