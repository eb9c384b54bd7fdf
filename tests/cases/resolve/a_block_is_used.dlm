// error[E0203]: a block nobody calls
use "../lib/small.dlm" { small, recipe, ar, tiny }

block double(x: [B, T, D]) -> [B, T, D] {
    return x + x
}

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
