// error[E0311]: what no run is made of cannot be assumed
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    cite:  assumed("arXiv:2511.03276", "the second version may say other things")
    model: tiny
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    replicates: assumed(3, "not published")
}
