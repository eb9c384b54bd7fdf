// passes: numbers, records, lists, texts and calls by name
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = 4 * 8
let steps_of_warmup = 3 steps
let patch = { clip: 0.5, seeds: { init: 7 } }
let optimizer = adamw(lr: rate)
let rate = 1e-3 / 2
let pair = (0.9, 0.99)
let where_from = files("{torch}/*.py")

experiment e {
    model: tiny(dim: width)
    data:  small { source: where_from }
    train: recipe { clip: patch.clip, seeds: patch.seeds, optimizer: optimizer { betas: pair }, lr_schedule: constant(warmup: steps_of_warmup) }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
