// passes: that a corpus is elsewhere may be so on one machine and not on another
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: jsonl("{data}/web/*.jsonl.zst", text: "content")
    tokenizer: bpe(vocab: 8192)
    duplicates: keep
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
