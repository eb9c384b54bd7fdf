// passes: without uniform noise the masks tell
use "../lib/small.dlm" { small, recipe, tiny }

objective o = hybrid_diffusion(uniform: 0%)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
