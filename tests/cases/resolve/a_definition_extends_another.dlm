// passes: deep for records and calls, replacing for lists
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

data larger = small {
    unique: 8K tokens
    max_per_document: { unique: 1K tokens }
}
train slower = recipe { optimizer: { lr: 1e-4 }, clip: 1.0 }
objective flat = mdm { weight: elbo, t: stratified(0, 1) }

experiment e {
    model: tiny()
    data:  larger { max_per_document: { valid: 512 tokens } }
    train: slower { optimizer: { weight_decay: 0.1 } }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: flat } }
}
