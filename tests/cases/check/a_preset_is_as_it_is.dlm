// error[E0208]: megadlms has its own schedule
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = megadlms(schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
