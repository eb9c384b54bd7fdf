// passes: from the executable
use "../lib/small.dlm" { small, recipe, tiny }
use "std/schedules.dlm" { cosine, square as polynomial }

objective mdm   = masked_diffusion(schedule: cosine)
objective other = masked_diffusion(schedule: polynomial, estimator: bernoulli)

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm }, b: { objective: other } }
}
