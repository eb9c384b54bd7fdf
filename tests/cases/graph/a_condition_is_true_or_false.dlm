// error[E0405]: numbers and truths apart
use "../lib/small.dlm" { small, recipe, ar }

model m(n: int = 2, on: bool = true) {
    x = embed(tokens, 16)
    if n { x = -x }
    if not n { x = -x }
    if on and n { x = -x }
    if on == 1 { x = -x }
    if on < true { x = -x }
    y = n + on
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
