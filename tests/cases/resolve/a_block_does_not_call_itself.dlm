// error[E0207]: two blocks in a circle
use "../lib/small.dlm" { small, recipe, ar }

block even(x: [B, T, D]) -> [B, T, D] {
    return odd(x)
}

block odd(x: [B, T, D]) -> [B, T, D] {
    return even(x)
}

model m() {
    return unembed(even(embed(tokens, 16)))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
