// error[E0401]: 3 heads of keys for 4 of queries
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    q = split_heads(linear(x, 16) as q, 4)
    k = split_heads(linear(x, 12) as k, 3)
    v = split_heads(linear(x, 12) as v, 3)
    return unembed(merge_heads(attend(q, k, v)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
