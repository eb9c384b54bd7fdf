// error[E0334]: 16 tokens are no whole number of blocks of 6
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = block_diffusion(block: 6, schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
