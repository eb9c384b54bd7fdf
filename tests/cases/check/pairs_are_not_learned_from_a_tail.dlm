// error[E0504]: a tail cuts a document, and what is validated on may not teach
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: jsonl("{data}/a.jsonl", text: "text")
    tokenizer: bpe(vocab: 8192)
    split: tail
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
