// error[E0401]: 16 and 32 wide
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    y = linear(x, 32)
    return unembed(x + y)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
