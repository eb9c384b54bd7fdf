// error[E0106]: by every index
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    collect a = x
    repeat 4 as i {
        if i > 1 { collect b = x }
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
