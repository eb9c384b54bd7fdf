// error[E0414]: nothing tells the model how much is noise
use "../lib/small.dlm" { small, recipe, tiny }

objective o = hybrid_diffusion(uniform: 20%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
