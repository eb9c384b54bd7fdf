// error[E0203]: a schedule and an import nobody reaches
use "../lib/small.dlm" { small, recipe, ar, tiny, mdm }

schedule slow(t) = 1 - t^2

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
