// passes: the definition gives unique and epochs, the sweep unique, the experiment total
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { total: 32K tokens }
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep: { data.unique: [2K, 4K] tokens }
}
