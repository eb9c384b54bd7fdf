// error[E0336]: one mask rate at every t that is drawn
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = if t < 0.25 { 1 - 2 * t } else if t < 0.75 { 0.5 } else { 2 * (1 - t) }
objective o = masked_diffusion(schedule: keep, t: importance(0.3, 0.7))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
