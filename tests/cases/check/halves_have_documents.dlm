// warning[W0303]: halves of documents
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { valid: 512 tokens }
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: { best(loss(valid), of: mdm) < best(loss(valid), of: ar) }
}
