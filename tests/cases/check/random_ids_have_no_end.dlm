// error[E0306]: no amount
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: random(vocab: 512)
    unique: all
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
