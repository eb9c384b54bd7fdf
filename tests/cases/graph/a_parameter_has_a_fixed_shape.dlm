// error[E0404]: T is not a number
use "../lib/small.dlm" { small, recipe, ar }

block mix(x: [B, T, D]) {
    return linear(x, T)
}

model m() {
    x = embed(tokens, 16)
    return unembed(mix(x))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
