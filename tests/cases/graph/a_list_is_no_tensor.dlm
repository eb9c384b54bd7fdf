// error[E0405]: nor a tensor a list
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 4 {
        x = x * 2
        collect h = x
    }
    y = rmsnorm(h)
    z = x + h
    w = pick(x, 0)
    v = pick(h, x)
    repeat 2 {
        collect all = h
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
