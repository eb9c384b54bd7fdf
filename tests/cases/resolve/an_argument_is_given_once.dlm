// error[E0209]: by place and by name
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    return unembed(linear(embed(tokens, 16), 16, out: 16))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
