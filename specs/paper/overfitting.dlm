//! Overfitted is not spoilt: the validation loss of AR rises long before its answers get worse, since how much likelier
//! the right answer is than the wrong ones goes on growing (the paper's abstract: a rising validation loss does not
//! imply degraded downstream performance). The runs are those of unique_data.
//!
//! Minima are read off resources/imgs/1.jpg of github.com/JinjieNi/dlms-are-super-data-learners.
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, nats }

experiment overfitting {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { total: 96B tokens }
    train:  recipe
    eval:   measured
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    sweep:  { data.unique: [0.5B, 1B, 1.5B] tokens }
    expect: {
        let lowest = best(loss(valid), of: ar)
        let overfits = onset(loss(valid), of: ar)

        // The loss turns, and the later the more there is to learn from; what was trained on it goes on learning.
        overfits
        increasing(overfits.epoch, along: data.unique)
        no onset(loss(train), of: ar)
        lowest == published(3.50, "figure 1") within nats at data.unique == 1B tokens
        lowest.epoch <= 4 epochs at data.unique == 1B tokens
        lowest == published(3.37, "figure 1") within nats at data.unique == 1.5B tokens
        lowest.epoch == published(7 epochs, "figure 1") within 30% at data.unique == 1.5B tokens

        // All answers get less likely, the wrong ones more so.
        onset(hellaswag.nll_right, of: ar)
        no onset(hellaswag.nll_gap, of: ar)
        no onset(hellaswag.acc_norm, of: ar)

        no onset(loss(valid), of: dlm)
        no onset(hellaswag.nll_right, of: dlm)
        no onset(hellaswag.nll_gap, of: dlm)
    }
}
