// error[E0409]: two names for four parts
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    (a, b) = chunk(embed(tokens, 16), 4)
    return unembed(a + b)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
