// passes: the values of the first layer go into all others
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 6 as i {
        v = linear(x, 16) as v
        if i == 0 { v0 = v } else { v = v * 0.5 + v0 * 0.5 }
        x = x + v
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
