// error[E0408]: every layer its own width
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 4)
    repeat 1000 as i {
        x = x + linear(linear(x, i + 1) as up, 4) as down
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
