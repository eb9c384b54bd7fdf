// error[E0216]: a mark without a reason, or with one that is no text, says nothing
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny(dim: assumed(32))
    data:  small { valid: assumed(1K tokens, ""), epochs: assumed(4, because) }
    train: recipe { clip: assumed(1.0, 2), micro_batch: assumed(), precision: assumed(value: fp32, "why") }
    eval:  { every: assumed(1 epoch, "what it costs", "and more"), loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
