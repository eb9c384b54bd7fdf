// error[E0401]: the same D twice
use "../lib/small.dlm" { small, recipe, ar }

block join(x: [B, T, D], y: [B, T, D]) -> [B, T, D] {
    return x + y
}

model m() {
    return unembed(join(embed(tokens, 16), embed(tokens, 32) as wide))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
