// error[E0208]: arguments of operations, blocks and models
use "../lib/small.dlm" { small, recipe, ar }

block f(x: [B, T, D], n: int) {
    return linear(x, n, biases: true)
}

model m() {
    x = f(embed(tokens, 16), m: 16)
    return unembed(x, false, true, zeros, 3)
}

experiment e {
    model: m(layers: 2)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
