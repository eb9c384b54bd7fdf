// warning[W0303]: ten rows are at most ten documents
use "../lib/small.dlm" { recipe, ar, mdm, tiny }

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4K tokens
    epochs: 4
    seq: 16
    valid: 160 tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: { crossover(loss(valid), of: mdm, under: ar) }
}
