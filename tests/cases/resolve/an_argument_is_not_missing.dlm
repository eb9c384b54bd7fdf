// error[E0210]: of an operation and of a model
use "../lib/small.dlm" { small, recipe, ar }

model m(dim: int, depth: int) {
    return unembed(linear(embed(tokens)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
