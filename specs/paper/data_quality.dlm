//! Better data moves the crossover later (1B unique tokens, 96 epochs). Which curve belongs to which tier the sources
//! say of the high one alone, so only that one has published figures: those of unique_data at 1B.
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, low_tier, medium_tier, high_tier }

experiment data_quality {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { unique: 1B tokens, total: 96B tokens }
    train:  recipe
    eval:   measured
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    sweep:  {
        tier: cases {
            low:    { data.source: low_tier }
            medium: { data.source: medium_tier }
            high:   { data.source: high_tier }
        }
    }
    expect: {
        let cross = crossover(hellaswag.acc_norm, of: dlm, over: ar)

        cross
        increasing(cross.epoch, along: tier)  // the paper's abstract
        increasing(final(hellaswag.acc_norm, of: ar), along: tier)
        cross.epoch == published(43 epochs, "figure 1, 1B unique tokens") within 25% at tier == high
    }
}
