// error[E0403]: in shape and start
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 6 as i {
        x = x + share linear(x, 16) as all
        if i == 0 { first = share linear(x, 16) as head }
    }
    y = share linear(linear(x, 8) as down, 16) as head
    z = linear(x, 16) as all
    w = share linear(x, 16, init: zeros) as all
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
