// passes: on all of [0, 1] the bound is whole
use "std/dit.dlm" { dit }
use "../lib/small.dlm" { small, recipe }

objective o = hybrid_diffusion(uniform: 20%)

experiment e {
    model: dit(layers: 1, dim: 16, heads: 2, ffn: 32)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
