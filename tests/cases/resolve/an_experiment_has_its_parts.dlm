// error[E0210]: no data, no eval
use "../lib/small.dlm" { recipe, ar, tiny }

experiment e {
    model: tiny()
    train: recipe
    arms:  { a: { objective: ar } }
}
