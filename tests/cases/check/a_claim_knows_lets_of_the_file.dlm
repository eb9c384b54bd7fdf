// passes: numbers and lists that the file names
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

let limit = 3 epochs
let gaps = { small: 0.02 }
let few = [1K, 2K] tokens

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [1K, 2K, 4K] tokens }
    expect: {
        crossover(loss(valid), of: mdm, under: ar) before limit at unique in few
        gap(loss(valid), of: ar, to: mdm) > gaps.small
    }
}
