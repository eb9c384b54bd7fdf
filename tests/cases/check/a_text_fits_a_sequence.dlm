// error[E0303]: a text of 16 tokens
use "../lib/small.dlm" { small, recipe, tiny, ar }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid, sample: 16 tokens }
    arms:  { a: { objective: ar } }
}
