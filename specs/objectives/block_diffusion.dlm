//! Block diffusion (BD3LM, arXiv 2503.09573) between next token and masked diffusion: blocks of one token are the one,
//! a block as long as the sequence is the other.
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { linear }
use "lib/common.dlm" { python, short }

objective ar      = next_token()
objective one     = block_diffusion(block: 1, schedule: linear)
objective four    = block_diffusion(block: 4, schedule: linear)
objective clipped = block_diffusion(block: 4, schedule: linear, t: stratified(0.3, 0.8))
objective mdm     = masked_diffusion(schedule: linear)

experiment block_diffusion {
    model:  decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   {
        ar:      { objective: ar }
        one:     { objective: one }
        four:    { objective: four }
        clipped: { objective: clipped }
        mdm:     { objective: mdm }
    }
    expect: {
        final(loss(valid), of: one) < final(loss(valid), of: four)
        final(loss(valid), of: four) < final(loss(valid), of: mdm)
    }
    allow:  [not_a_bound]
}
