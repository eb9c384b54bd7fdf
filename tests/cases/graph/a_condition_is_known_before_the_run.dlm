// error[E0405]: the values of a tensor
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    y = if rmsnorm(x) { x } else { -x }
    if x > 0 {
        x = linear(x, 16)
    }
    return unembed(x + y)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
