//! Bigger models cross earlier (1B unique tokens, 96 epochs): 1B, 2B, 4B and 8B parameters.
//!
//! Published figures are read off resources/imgs/3.png of github.com/JinjieNi/dlms-are-super-data-learners. Its curves of
//! 2B and 4B are told apart by their shade alone, so for those nothing is claimed but the order.
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, points }

/// What the table calls the width of the feed-forward is 4 times the model's, of two matrices; three have the same size
/// at 8/3, which at 1B gives the released 4736.
let two_billion  = assumed(
    { model.layers: 32, model.dim: 2304, model.heads: 18, model.ffn: round_to(8 / 3 * 2304, 128, down) },
    "the shape is not published: Quokka (arXiv 2510.03280), table 6, 2038M",
)
let four_billion = assumed(
    { model.layers: 36, model.dim: 3072, model.heads: 24, model.ffn: round_to(8 / 3 * 3072, 128, down) },
    "the shape is not published: Quokka (arXiv 2510.03280), table 6, 4077M",
)
let eight_billion = assumed(
    { model.layers: 42, model.dim: 4096, model.heads: 32, model.ffn: round_to(8 / 3 * 4096, 128, down) },
    "the shape is not published: Quokka (arXiv 2510.03280), table 6, 8456M",
)

experiment model_size {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { unique: 1B tokens, total: 96B tokens }
    train:  recipe {
        batch: assumed(
            256 seqs,
            "of 2B to 8B not published: strictly matched, says the abstract; Quokka takes 512 and 1024 above 1.5B and 5B",
        )
    }
    eval:   measured
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    sweep:  { size: cases { b1: { model: one_billion }, b2: two_billion, b4: four_billion, b8: eight_billion } }
    expect: {
        let cross = crossover(hellaswag.acc_norm, of: dlm, over: ar)

        cross
        decreasing(cross.epoch, along: size)
        cross.epoch == published(43 epochs, "figure 3") within 25% at size == b1
        cross.epoch == published(18 epochs, "figure 3") within 25% at size == b8
        increasing(final(hellaswag.acc_norm, of: dlm), along: size)
        final(hellaswag.acc_norm, of: dlm) == published(48.7%, "figure 3") within points at size == b1
        final(hellaswag.acc_norm, of: ar) == published(42.4%, "figure 3") within points at size == b1
        final(hellaswag.acc_norm, of: dlm) == published(55.0%, "figure 3") within points at size == b8
        final(hellaswag.acc_norm, of: ar) == published(39.9%, "figure 3") within points at size == b8
        final(mmlu.acc_norm, of: dlm) == published(32.5%, "figure 3") within points at size == b8
        final(mmlu.acc_norm, of: ar) == published(28.6%, "figure 3") within points at size == b8
        final(loss(valid), of: ar) == published(10.0, "figure 3") within 25% at size == b8
    }
}
