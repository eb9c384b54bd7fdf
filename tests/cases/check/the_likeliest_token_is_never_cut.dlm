// error[E0311]: at temperature 0 nothing is drawn
use "../lib/small.dlm" { small, recipe, tiny }

objective o = any_order(sampler: confidence(steps: 4, temperature: 0, top_k: 5, top_p: 0.9))

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
