// error[E0304]: a division inside a block
use "../lib/small.dlm" { small, recipe, ar }

block narrow(x: [B, T, D], width: int = D / 3) {
    return linear(linear(x, width) as down, D) as up
}

model m(dim: int) {
    return unembed(narrow(embed(tokens, dim)))
}

experiment e {
    model: m(dim: 16)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
