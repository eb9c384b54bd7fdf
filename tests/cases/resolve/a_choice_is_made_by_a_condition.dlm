// passes: if, comparisons, logic, modulo, ranges, functions
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let width = 32
let deep = width >= 32 and not (width % 5 == 0) or width in 1..4
let dim = if deep { round_to(width / 3, 8, up) } else if width in [16, 32] { 1 / 0 } else { min(width, 8) }

experiment e {
    model: tiny(dim: dim)
    data:  small
    train: recipe { clip: if 1 min < 90 s { 1.0 } else { none } }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
