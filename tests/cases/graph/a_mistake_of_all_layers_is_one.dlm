// error[E0401]: said once, though the layers differ
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 6 as i {
        x = x + linear(x, 16 * (1 + i % 3)) as wide
        x = x + linear(x, 8) as narrow
    }
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
