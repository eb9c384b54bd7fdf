// error[E0202]: two schedules of one name
use "../lib/small.dlm" { small, recipe, tiny }

schedule keep(t) = 1 - t
schedule keep(t) = 1 - t^2
objective mdm = masked_diffusion(schedule: keep)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
