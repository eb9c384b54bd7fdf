// error[E0201]: did you mean `rmsnorm`?
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    return unembed(rmsnrom(x))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
