// errors: and none twice
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    y = split_heads(x, 5)
    z = x + linear(x, 32) as up
    repeat 2 as layer {
        x = x + linear(x, 16) as into
        x = x + linear(x, 16) as into
    }
    return x
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
