// passes: namespaces do not clash
use "../lib/small.dlm" { small as ar, recipe as e, ar, tiny }

experiment e {
    model: tiny()
    data:  ar
    train: e
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
