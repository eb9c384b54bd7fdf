// error[E0201]: blocks weigh each mask
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = block_diffusion(block: 4, schedule: keep, estimator: row_mean)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
