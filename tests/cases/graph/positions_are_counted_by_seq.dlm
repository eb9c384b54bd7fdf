// passes: `seq` is static
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16) + embed(positions, 16) as place
    return unembed(linear(linear(x, seq) as up, 16) as down)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
