// error[E0403]: once is enough to see it
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 3 as layer {
        x = x + linear(rmsnorm(x), 16)
        x = x + linear(rmsnorm(x) as norm, 16)
    }
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
