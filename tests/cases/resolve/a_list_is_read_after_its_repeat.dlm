// error[E0201]: not inside
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 4 as i {
        collect h = x
        x = x + pick(h, 0)
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
