// error[E0336]: every k weighs alike
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(t: importance)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
