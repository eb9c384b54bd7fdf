// error[E0106]: its names are not missed again
use "../lib/broken.dlm" { keep }
use "../lib/small.dlm" { small, recipe, tiny }

objective o = masked_diffusion(schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
