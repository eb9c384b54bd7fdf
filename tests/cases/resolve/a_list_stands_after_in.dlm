// error[E0301]: and nothing else does
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int = 2) {
    x = embed(tokens, 16)
    y = [1, 2]
    if n in 3 { x = -x }
    if n == 1..2 { x = -x }
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
