// error[E0201]: did you mean `recipe`?
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recpie
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
