// error[E0303]: nothing was collected
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int) {
    x = embed(tokens, 16)
    repeat n {
        collect h = x
    }
    return unembed(x + pick(h, 0))
}

experiment e {
    model: m(n: 0)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
