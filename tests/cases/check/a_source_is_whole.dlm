// errors: each form with something missing
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: tokens("{data}/train.bin", u8)
    valid_source: jsonl("{data}/valid.jsonl", field: "text")
    tokenizer: tokenizer("{data}/tokenizer.json")
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
