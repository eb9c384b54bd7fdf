// error[E0302]: no unit, the wrong unit
use "../lib/small.dlm" { ar, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4_000
    epochs: 4 tokens
    seq: 16 tokens
    valid: 1K seqs
}

train t {
    batch: 128 tokens
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant(warmup: 100)
}

experiment e {
    model: tiny()
    data:  d
    train: t
    eval:  { every: 10, loss: valid }
    arms:  { a: { objective: ar } }
}
