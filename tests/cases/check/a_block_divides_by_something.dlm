// error[E0310]: a division by zero in a block
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int) {
    return unembed(embed(tokens, 16 / n))
}

experiment e {
    model: m(n: 0)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
