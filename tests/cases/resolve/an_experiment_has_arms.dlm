// error[E0210]: no arms at all
use "../lib/small.dlm" { small, recipe, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
}
