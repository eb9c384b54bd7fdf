// error[E0210]: no `return` at its end
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = unembed(embed(tokens, 16))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
