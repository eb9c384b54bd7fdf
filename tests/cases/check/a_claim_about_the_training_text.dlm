// passes: the training text is measured, so claims may ask for it
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { valid: 1K tokens }
    train: recipe
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    eval:  { every: 50%, loss: [train, valid] }
    expect: {
        final(loss(train), of: ar) < final(loss(valid), of: ar)
    }
}
