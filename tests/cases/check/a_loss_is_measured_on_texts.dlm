// errors: unknown texts, one twice, and none of validation
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    objective: ar
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        misspelt: { eval.loss: [valid, trian] }
        unknown:  { eval.loss: [valid, c4] }
        twice:    { eval.loss: [valid, train, valid] }
        alone:    { eval.loss: train }
        empty:    { eval.loss: [] }
        number:   { eval.loss: [valid, 3] }
    }
}
