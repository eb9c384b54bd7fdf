// error[E0302]: a unit inside a block
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    return unembed(embed(tokens, 16 tokens))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
