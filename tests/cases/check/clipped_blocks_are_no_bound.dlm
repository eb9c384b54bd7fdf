// warning[W0302]: one mask of 4 and 4 of 4 never occur
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = block_diffusion(block: 4, schedule: keep, t: stratified(0.3, 0.7))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
