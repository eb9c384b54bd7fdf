// error[E0301]: sideways is no direction
use "../lib/small.dlm" { small, recipe, ar }

model m(dim: int) {
    return unembed(embed(tokens, round_to(dim, 16, sideways)))
}

experiment e {
    model: m(dim: 20)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
