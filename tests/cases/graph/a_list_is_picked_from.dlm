// passes: a decoder that takes the values of an encoder in reverse
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int = 4) {
    x = embed(tokens, 16)
    repeat n as down {
        x = x + linear(x, 16)
        collect h = x
    }
    repeat n as up {
        x = x + linear(x + pick(h, n - 1 - up), 16)
    }
    return unembed(x + pick(h, 0))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
