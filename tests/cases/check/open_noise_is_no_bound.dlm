// warning[W0302]: noise at t = 1 that is not all uniform has a prior term
use "std/dit.dlm" { dit }
use "../lib/small.dlm" { small, recipe }

schedule keep(t) = 1 - t / 2
objective o = uniform_diffusion(schedule: keep, ends: open)

experiment e {
    model: dit(layers: 1, dim: 16, heads: 2, ffn: 32)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
