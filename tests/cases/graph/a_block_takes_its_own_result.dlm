// passes: f(f(x)) is no circle
use "../lib/small.dlm" { small, recipe, ar }

block twice(x: [B, T, D]) -> [B, T, D] {
    return x + x
}

model m() {
    x = embed(tokens, 16)
    return unembed(twice(twice(x)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
