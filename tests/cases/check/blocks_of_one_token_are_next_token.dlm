// passes: exact
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = block_diffusion(block: 1, schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
