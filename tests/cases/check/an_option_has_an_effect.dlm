// error[E0311]: tail splits look at no documents; silu has no parameters
use "../lib/small.dlm" { recipe, ar }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4K tokens
    epochs: 4
    seq: 16
    valid: 1K tokens
    split: tail
    max_per_document: { unique: 1K tokens }
}

model m() {
    return unembed(silu(embed(tokens, 16)) as act)
}

experiment e {
    model: m()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
