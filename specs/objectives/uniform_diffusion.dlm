//! Tokens replaced by others (UDLM, arXiv 2412.10193; Duo, arXiv 2506.10892) against tokens masked, in a model that is
//! told the noise level.
use "../lib/dit.dlm" { dit }
use "../lib/schedules.dlm" { linear }
use "lib/common.dlm" { python, short }

objective masked  = masked_diffusion(schedule: linear)
objective uniform = uniform_diffusion(schedule: linear, t: systematic(0, 1), sampler: posterior(steps: 48))

experiment uniform_diffusion {
    model:  dit(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   { masked: { objective: masked }, uniform: { objective: uniform } }
    expect: { final(loss(valid), of: masked) < final(loss(valid), of: uniform) }
}
