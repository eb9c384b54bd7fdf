// error[E0501]: an index without its ids
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: megatron("../../fixtures/corpora/lonely")
    tokenizer: ids(50257, eod: 50256)
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
