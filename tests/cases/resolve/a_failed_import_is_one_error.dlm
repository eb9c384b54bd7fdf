// error[E0205]: its names are not missed again
use "nowhere.dlm" { small, tiny }
use "../lib/small.dlm" { recipe, ar }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
