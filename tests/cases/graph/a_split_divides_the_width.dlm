// error[E0402]: at the operation itself
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 20)
    q = split_heads(linear(x, 20) as q, 3)
    return unembed(merge_heads(attend(q, q, q)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
