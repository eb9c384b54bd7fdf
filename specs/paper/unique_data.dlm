//! The paper's first figure: 96B training tokens in all, of 0.5B to 96B unique ones. The crossover comes later the more
//! unique data there is, and not at all within 96B tokens where there is plenty.
//!
//! Published figures are read off resources/imgs/1.jpg of github.com/JinjieNi/dlms-are-super-data-learners: ends of
//! smoothed curves, half a point and 0.05 nats exact.
use "lib/recipe.dlm" { one_billion, ar, dlm, web, recipe, measured, points, nats }

experiment unique_data {
    cite:   "arXiv:2511.03276"
    model:  one_billion
    data:   web { total: 96B tokens }
    train:  recipe
    eval:   measured
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    sweep:  { data.unique: [0.5B, 1B, 1.5B, 10B, 96B] tokens }
    expect: {
        let cross = crossover(hellaswag.acc_norm, of: dlm, over: ar)
        let cross_loss = crossover(loss(valid), of: dlm, under: ar)

        // The crossover, and its order.
        cross at data.unique in [0.5B, 1B, 1.5B] tokens
        no cross at data.unique in [10B, 96B] tokens
        increasing(cross.epoch, along: data.unique) at data.unique in [0.5B, 1B, 1.5B] tokens
        cross.epoch == published(35 epochs, "figure 1") within 25% at data.unique == 0.5B tokens
        cross.epoch == published(43 epochs, "figure 1") within 25% at data.unique == 1B tokens
        cross.epoch == published(58 epochs, "figure 1") within 25% at data.unique == 1.5B tokens
        no cross_loss at data.unique in [10B, 96B] tokens
        increasing(cross_loss.epoch, along: data.unique) at data.unique in [1B, 1.5B] tokens
        cross_loss.epoch == published(14 epochs, "figure 1") within 25% at data.unique == 1B tokens
        cross_loss.epoch == published(24 epochs, "figure 1") within 25% at data.unique == 1.5B tokens

        // Fact 1: it comes from AR falling as unique data shrinks; the diffusion model hardly notices.
        final(hellaswag.acc_norm, of: dlm) == published(48.5%, "figure 1: 47.7 to 49.2 at all five") within points
        final(loss(valid), of: dlm) == published(3.26, "figure 1: 3.22 to 3.35 at all five") within nats
        increasing(final(hellaswag.acc_norm, of: ar), along: data.unique)
        decreasing(final(loss(valid), of: ar), along: data.unique)

        // Fact 2: AR overfits, and ends above where it was before the learning rate fell.
        onset(loss(valid), of: ar) at data.unique in [0.5B, 1B, 1.5B] tokens
        no onset(loss(valid), of: dlm)
        final(loss(valid), of: ar) > published(6.2, "figure 1, before the decay") at data.unique == 0.5B tokens
        final(loss(valid), of: ar) > published(3.98, "figure 1, before the decay") at data.unique == 1B tokens

        // The ends of all curves.
        final(hellaswag.acc_norm, of: dlm) == published(47.7%, "figure 1") within points at data.unique == 0.5B tokens
        final(hellaswag.acc_norm, of: dlm) == published(48.7%, "figure 1") within points at data.unique == 1B tokens
        final(hellaswag.acc_norm, of: dlm) == published(48.6%, "figure 1") within points at data.unique == 1.5B tokens
        final(hellaswag.acc_norm, of: dlm) == published(49.2%, "figure 1") within points at data.unique == 10B tokens
        final(hellaswag.acc_norm, of: dlm) == published(48.4%, "figure 1") within points at data.unique == 96B tokens
        final(hellaswag.acc_norm, of: ar) == published(36.0%, "figure 1") within points at data.unique == 0.5B tokens
        final(hellaswag.acc_norm, of: ar) == published(42.4%, "figure 1") within points at data.unique == 1B tokens
        final(hellaswag.acc_norm, of: ar) == published(46.6%, "figure 1") within points at data.unique == 1.5B tokens
        final(hellaswag.acc_norm, of: ar) == published(57.4%, "figure 1") within points at data.unique == 10B tokens
        final(hellaswag.acc_norm, of: ar) == published(58.6%, "figure 1") within points at data.unique == 96B tokens
        final(mmlu.acc_norm, of: dlm) == published(30.7%, "figure 1") within points at data.unique == 0.5B tokens
        final(mmlu.acc_norm, of: dlm) == published(30.6%, "figure 1") within points at data.unique == 1B tokens
        final(mmlu.acc_norm, of: dlm) == published(31.0%, "figure 1") within points at data.unique == 1.5B tokens
        final(mmlu.acc_norm, of: dlm) == published(31.1%, "figure 1") within points at data.unique == 10B tokens
        final(mmlu.acc_norm, of: dlm) == published(31.5%, "figure 1") within points at data.unique == 96B tokens
        final(mmlu.acc_norm, of: ar) == published(28.1%, "figure 1") within points at data.unique == 0.5B tokens
        final(mmlu.acc_norm, of: ar) == published(28.0%, "figure 1") within points at data.unique == 1B tokens
        final(mmlu.acc_norm, of: ar) == published(31.0%, "figure 1") within points at data.unique == 1.5B tokens
        final(mmlu.acc_norm, of: ar) == published(36.0%, "figure 1") within points at data.unique in [10B, 96B] tokens
        final(loss(valid), of: dlm) == published(3.35, "figure 1") within nats at data.unique == 0.5B tokens
        final(loss(valid), of: dlm) == published(3.26, "figure 1") within nats at data.unique == 1B tokens
        final(loss(valid), of: dlm) == published(3.25, "figure 1") within nats at data.unique == 1.5B tokens
        final(loss(valid), of: dlm) == published(3.22, "figure 1") within nats at data.unique == 10B tokens
        final(loss(valid), of: dlm) == published(3.24, "figure 1") within nats at data.unique == 96B tokens
        // How far an overfitted model goes wrong is a matter of chance: a share, not nats.
        final(loss(valid), of: ar) == published(9.5, "figure 1") within 25% at data.unique == 0.5B tokens
        final(loss(valid), of: ar) == published(4.6, "figure 1") within 25% at data.unique == 1B tokens
        final(loss(valid), of: ar) == published(3.71, "figure 1") within nats at data.unique == 1.5B tokens
        final(loss(valid), of: ar) == published(2.90, "figure 1") within nats at data.unique == 10B tokens
        final(loss(valid), of: ar) == published(2.87, "figure 1") within nats at data.unique == 96B tokens
    }
}
