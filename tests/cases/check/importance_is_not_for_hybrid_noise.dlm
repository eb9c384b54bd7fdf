// error[E0336]: with uniform noise every token has a loss
use "../lib/small.dlm" { small, recipe, tiny }

objective o = hybrid_diffusion(uniform: 0%, t: importance(1e-3, 1))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
