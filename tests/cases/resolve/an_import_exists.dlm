// error[E0201]: did you mean `tiny`?
use "../lib/small.dlm" { small, recipe, ar, tinny }

experiment e {
    model: tinny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
