// error[E0411]: bound in branches that are not taken
use "../lib/small.dlm" { small, recipe, ar }

model m(deep: bool = false, n: int = 2) {
    x = embed(tokens, 16)
    if deep {
        y = linear(x, 16) as a
    } else if n == 2 {
        z = linear(x, 16) as b
    } else {
        y = x
        w = x
    }
    return unembed(x + y + w)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
