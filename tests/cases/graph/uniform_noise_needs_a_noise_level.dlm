// error[E0414]: nothing tells the model how much is noise
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
objective o = uniform_diffusion(schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
