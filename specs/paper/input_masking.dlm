//! Is it the masks? AR reads sequences of which a part is masked, and predicts all tokens as ever (1B unique tokens,
//! 96 epochs). It helps, and does not close the gap to diffusion (the paper's abstract, which names no figures). That
//! masked inputs are the dominant factor is what Gao et al. hold against it (arXiv 2510.04071).
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, points }

/// Ratios: names of the logs in the README of github.com/JinjieNi/dlms-are-super-data-learners.
let masked = assumed(
    next_token(),
    "where the loss counts and whether masks are redrawn is not published: all positions, new masks at each step",
)

objective mask_10 = masked { input_mask: 10% }
objective mask_30 = masked { input_mask: 30% }
objective mask_50 = masked { input_mask: 50% }
objective mask_70 = masked { input_mask: 70% }
objective mask_90 = masked { input_mask: 90% }

experiment input_masking {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { unique: 1B tokens, total: 96B tokens }
    train:  recipe
    eval:   measured
    arms:   {
        ar:      { objective: ar }
        mask_10: { objective: mask_10 }
        mask_30: { objective: mask_30 }
        mask_50: { objective: mask_50 }
        mask_70: { objective: mask_70 }
        mask_90: { objective: mask_90 }
        dlm:     { objective: dlm }
    }
    allow:  [not_a_bound]  // validation masks nothing
    expect: {
        // Fact 4: it helps. At which ratio the abstract does not say; the smallest is the likeliest to.
        final(hellaswag.acc_norm, of: mask_10) > final(hellaswag.acc_norm, of: ar)
        final(loss(valid), of: mask_10) < final(loss(valid), of: ar)

        // And it does not close the gap.
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: mask_10)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: mask_30)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: mask_50)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: mask_70)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: mask_90)

        // The two ends are runs of unique_data.
        final(hellaswag.acc_norm, of: ar) == published(42.4%, "figure 1") within points
        final(hellaswag.acc_norm, of: dlm) == published(48.7%, "figure 1") within points
    }
}
