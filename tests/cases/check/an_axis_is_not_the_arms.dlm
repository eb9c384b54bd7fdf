// error[E0321]: an arm sets the path too
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    objective: ar
    arms:  { a: { train.clip: 0.1 }, b: { train.clip: 0.2 } }
    sweep: { train.clip: [0.5, 1.0] }
}
