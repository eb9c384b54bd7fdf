// error[E0406]: two layers leave two shapes
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 6 as i {
        if i == 0 { v = linear(x, 8) as a }
        if i == 2 { v = linear(x, 4) as b }
        if i > 2 { x = x + linear(v, 16) as c }
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
