// errors: no position and half a position
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    q = split_heads(x, 4)
    a = attend(q, q, q, window: 0)
    b = attend(q, q, q, window: 1.5)
    c = attend(q, q, q, window: none)
    d = linear(x, none) as d
    return unembed(merge_heads(a + b + c))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
