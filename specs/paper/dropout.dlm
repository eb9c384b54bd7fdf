//! Is it the noise? AR with dropout (96B tokens). It helps, and does not close the gap to diffusion (the paper's abstract,
//! which names no figures).
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, points }

/// 1 where tokens are dropped. Hidden is what each layer adds to the residual stream, and the embedded tokens.
let places     = assumed(
    { attention: 1, hidden: 1 },
    "attention, hidden or both is not published: both of Megatron's switches",
)

/// Ratios: names of the logs in the README of github.com/JinjieNi/dlms-are-super-data-learners.
let dropped_10 = one_billion {
    attention_dropout: 10% * places.attention
    residual_dropout: 10% * places.hidden
    embedding_dropout: 10% * places.hidden
}
let dropped_20 = one_billion {
    attention_dropout: 20% * places.attention
    residual_dropout: 20% * places.hidden
    embedding_dropout: 20% * places.hidden
}
let dropped_30 = one_billion {
    attention_dropout: 30% * places.attention
    residual_dropout: 30% * places.hidden
    embedding_dropout: 30% * places.hidden
}
let dropped_40 = one_billion {
    attention_dropout: 40% * places.attention
    residual_dropout: 40% * places.hidden
    embedding_dropout: 40% * places.hidden
}
let dropped_50 = one_billion {
    attention_dropout: 50% * places.attention
    residual_dropout: 50% * places.hidden
    embedding_dropout: 50% * places.hidden
}
let dropped_70 = one_billion {
    attention_dropout: 70% * places.attention
    residual_dropout: 70% * places.hidden
    embedding_dropout: 70% * places.hidden
}
let dropped_90 = one_billion {
    attention_dropout: 90% * places.attention
    residual_dropout: 90% * places.hidden
    embedding_dropout: 90% * places.hidden
}

experiment dropout {
    cite:    "arXiv:2511.03276"
    data:    web {
        unique: assumed(
            0.5B tokens,
            "the folder of the logs says 0.5B x 192, the checkpoint that the README links for ratio 0 is of 1B x 96",
        )
        total:  96B tokens
    }
    train:   recipe
    eval:    measured
    factors: [objective, model]
    arms:    {
        ar:      { objective: ar, model: one_billion }
        drop_10: { objective: ar, model: dropped_10 }
        drop_20: { objective: ar, model: dropped_20 }
        drop_30: { objective: ar, model: dropped_30 }
        drop_40: { objective: ar, model: dropped_40 }
        drop_50: { objective: ar, model: dropped_50 }
        drop_70: { objective: ar, model: dropped_70 }
        drop_90: { objective: ar, model: dropped_90 }
        dlm:     { objective: dlm, model: one_billion }
    }
    expect:  {
        // Fact 4: it helps. At which ratio the abstract does not say; the smallest is the likeliest to.
        final(hellaswag.acc_norm, of: drop_10) > final(hellaswag.acc_norm, of: ar)
        final(loss(valid), of: drop_10) < final(loss(valid), of: ar)

        // And it does not close the gap.
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_10)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_20)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_30)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_40)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_50)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_70)
        final(hellaswag.acc_norm, of: dlm) > final(hellaswag.acc_norm, of: drop_90)

        // The two ends are runs of unique_data.
        final(hellaswag.acc_norm, of: ar) == published(36.0%, "figure 1") within points
        final(hellaswag.acc_norm, of: dlm) == published(47.7%, "figure 1") within points
    }
}
