// error[E0106]: of every branch
use "../lib/small.dlm" { small, recipe, ar }

block act(x: [B, T, D], on: bool) -> [B, T, D] {
    if on { return x } else { return -x }
    return x
}

model m() {
    x = embed(tokens, 16)
    repeat 2 as i {
        if i == 0 { return unembed(x) }
    }
    return unembed(act(x, on: true))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
