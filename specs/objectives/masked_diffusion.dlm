//! Masked diffusion under the normalisations and draws of t that code bases differ in. Their training losses are not
//! comparable; validation, which is the same exact-count bound for all, says what each has learnt.
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { linear, cosine }
use "lib/common.dlm" { python, short }

objective count      = masked_diffusion(schedule: linear)
objective n1         = masked_diffusion(schedule: linear, t: stratified(1e-3, 1), estimator: bernoulli)
objective n2         = masked_diffusion(schedule: linear, estimator: row_mean)
objective n3         = masked_diffusion(schedule: linear, estimator: batch_mean)
objective n4         = masked_diffusion(schedule: linear, estimator: bernoulli, weight: flat)
objective importance = masked_diffusion(schedule: cosine, t: importance(1e-3, 1), estimator: bernoulli)
objective shifted    = masked_diffusion(
    schedule: linear,
    t: systematic,
    shift: true,
    variable_length: 1%,
    sampler: confidence(steps: 24, block: 16),
)

experiment masked_diffusion {
    model:  decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   {
        count:      { objective: count }
        n1:         { objective: n1 }
        n2:         { objective: n2 }
        n3:         { objective: n3 }
        n4:         { objective: n4 }
        importance: { objective: importance }
        shifted:    { objective: shifted }
    }
    expect: {
        // One loss in expectation: `count` has the smaller variance.
        final(loss(valid), of: count) == final(loss(valid), of: n1) within 5%
        final(loss(valid), of: count) == final(loss(valid), of: n2) within 5%
        final(loss(valid), of: count) == final(loss(valid), of: importance) within 5%
    }
    allow:  [not_a_bound]
}
