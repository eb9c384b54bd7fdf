//! What MegaDLMs trains (github.com/JinjieNi/MegaDLMs, megatron/core/models/difflm/gpt_model.py) beside the matched form
//! of it, and beside next token, whose targets it misses by one at each end.
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { linear }
use "lib/common.dlm" { python, short }

objective ar      = next_token()
objective mega    = megadlms(sampler: confidence(steps: 48))
objective matched = masked_diffusion(schedule: linear, t: iid, estimator: row_mean)

experiment megadlms {
    model:  decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   { ar: { objective: ar }, mega: { objective: mega }, matched: { objective: matched } }
    expect: {
        final(loss(valid), of: mega) == final(loss(valid), of: matched) within 5%
        final(loss(valid), of: ar) < final(loss(valid), of: mega)  // so early
    }
}
