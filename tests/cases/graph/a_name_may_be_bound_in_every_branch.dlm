// passes: whichever is taken
use "../lib/small.dlm" { small, recipe, ar }

model m(deep: bool = false) {
    x = embed(tokens, 16)
    if deep {
        (y, z) = (linear(x, 16) as a, x)
    } else {
        y = x
        z = rmsnorm(x) as n
    }
    return unembed(y + z)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
