// error[E0303]: counted from 0
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int = 4) {
    x = embed(tokens, 16)
    repeat n as down {
        x = x + linear(x, 16)
        collect h = x
    }
    repeat n as up {
        x = x + pick(h, n - up)
    }
    repeat n as late {
        if late > 1 { x = x + pick(h, late - 2) + pick(h, late + 1) }
    }
    return unembed(x + pick(h, n) + pick(h, n / 8))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
