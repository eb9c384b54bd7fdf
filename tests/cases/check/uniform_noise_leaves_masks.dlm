// error[E0303]: all uniform would be another objective
use "../lib/small.dlm" { small, recipe, tiny }

objective o = hybrid_diffusion(uniform: 100%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
