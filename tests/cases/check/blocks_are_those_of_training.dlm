// error[E0311]: blocks of text are those of the objective
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = block_diffusion(block: 4, schedule: keep, sampler: confidence(steps: 8, block: 2))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
