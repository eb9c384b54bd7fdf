// error[E0202]: `linear` is the language's
use "../lib/small.dlm" { small, recipe, ar, tiny }

block linear(x: [B, T, D]) {
    return x
}

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
