// error[E0311]: nothing to share
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = share silu(embed(tokens, 16))
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
