// errors: sizes are whole and at least 1
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16) * parameter(init: ones) as scale
    x = x + parameter(16, init: zeros) as shift
    x = x + parameter(0) as none_at_all
    x = x + parameter(1.5) as half
    return unembed(x + parameter(16, size: 4) as other)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
