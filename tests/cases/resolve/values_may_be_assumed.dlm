// passes: numbers, lists, calls, definitions and conditions, in definitions, lets, arms and sweeps
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = assumed(4 * 8, "the table names no width")
let large = assumed(true, "the figure looks like it")
let adam = assumed(adamw(lr: 1e-3, betas: (0.9, assumed(0.95, "usual"))), "as in the sister paper")

data long = small { valid: assumed(2K tokens, "not published") }

experiment e {
    model: tiny(dim: if large { 2 * width } else { width })
    data:  assumed(long, "which corpus it was is not said")
    train: recipe { optimizer: adam { lr: 2e-3 } }
    eval:  { every: assumed(1 epoch, "what the figure's points suggest"), loss: valid }
    arms:  {
        ar:  { objective: assumed(ar, "the released script is empty") }
        mdm: { objective: mdm }
    }
    sweep: { train.clip: assumed([assumed(0.5, "half"), 1.0], "neither is published") }
}
