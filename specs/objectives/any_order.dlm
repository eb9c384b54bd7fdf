//! Any-order autoregression is masked diffusion by another name: k uniform, k targets masked, each weighing n/k.
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { cosine }
use "lib/common.dlm" { python, short }

objective any    = any_order(t: systematic)
objective masked = masked_diffusion(schedule: cosine, t: stratified(0, 1), estimator: count)

experiment any_order {
    model:  decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   { any: { objective: any }, masked: { objective: masked } }
    expect: { final(loss(valid), of: any) == final(loss(valid), of: masked) within 5% }
}
