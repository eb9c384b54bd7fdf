//! Masks and uniform noise together (GIDD, arXiv 2503.04482): without uniform noise it is masked diffusion, and its
//! dynamic weights are no bound.
use "../lib/dit.dlm" { dit }
use "../lib/schedules.dlm" { linear }
use "lib/common.dlm" { python, short }

objective masked  = masked_diffusion(schedule: linear)
objective pure    = hybrid_diffusion(uniform: 0%, t: systematic(0, 1))
objective some    = hybrid_diffusion(uniform: 20%, t: systematic(1e-4, 0.9999))
objective dynamic = hybrid_diffusion(uniform: 20%, t: systematic(1e-4, 0.9999), weight: dynamic)

experiment hybrid_diffusion {
    model:  dit(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   {
        masked:  { objective: masked }
        pure:    { objective: pure }
        some:    { objective: some }
        dynamic: { objective: dynamic }
    }
    expect: {
        final(loss(valid), of: masked) == final(loss(valid), of: pure) within 5%
        final(loss(valid), of: masked) < final(loss(valid), of: some)
    }
    allow:  [not_a_bound]
}
