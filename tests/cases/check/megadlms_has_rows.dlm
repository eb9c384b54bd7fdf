// error[E0303]: two tokens of a sequence are left out
use "../lib/small.dlm" { small, recipe, tiny }

objective o = megadlms()

experiment e {
    model: tiny()
    data:  small { seq: 3 }
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
