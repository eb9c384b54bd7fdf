// passes: one name each
use "../lib/small.dlm" { small, recipe, ar }

block pair(x: [B, T, D]) -> ([B, T, D], [B, T, D]) {
    return (linear(x, D) as a, linear(x, D) as b)
}

model m() {
    x = embed(tokens, 16)
    (a, b) = pair(x)
    return unembed(a + b)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
