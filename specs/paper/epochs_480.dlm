//! How far one billion tokens go: 480 epochs of them, 480B tokens in all, diffusion alone.
//!
//! Published: the paper's abstract, and the README of github.com/JinjieNi/dlms-are-super-data-learners, where the
//! curve is still rising at its end.
use "lib/recipe.dlm" { one_billion, dlm, web, recipe, measured }

experiment epochs_480 {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { unique: 1B tokens, total: 480B tokens }
    train:  recipe
    eval:   measured
    arms:   { dlm: { objective: dlm } }
    expect: {
        let top = best(hellaswag.acc_norm, of: dlm)

        final(hellaswag.acc_norm, of: dlm) > published(56%, "abstract")
        final(mmlu.acc_norm, of: dlm) > published(33%, "abstract")
        top.epoch > 400 epochs  // still rising
        no onset(hellaswag.acc_norm, of: dlm)
        // What AR reaches at the most on these tokens: the paper's summary page.
        final(hellaswag.acc_norm, of: dlm) > published(41%, "summary page, AR")
    }
}
