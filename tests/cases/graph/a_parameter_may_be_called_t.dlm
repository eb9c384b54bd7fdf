// passes: a name of the block's own comes first
use "../lib/small.dlm" { small, recipe, ar }

block twice(t: [B, T, D]) -> [B, T, D] {
    return t + t
}

model m() {
    t = embed(tokens, 16)
    return unembed(twice(t))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
