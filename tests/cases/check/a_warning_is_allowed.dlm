// passes: by its name
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { valid: 160 tokens }
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    allow: [few_documents]
    expect: { crossover(loss(valid), of: mdm, under: ar) }
}
