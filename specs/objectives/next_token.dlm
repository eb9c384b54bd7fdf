//! Autoregression, and the noise on its inputs that ablations put there: inputs masked at random (arXiv 2511.03276), and
//! an auxiliary loss on masked inputs besides (MIR, arXiv 2606.06888).
use "../lib/decoder.dlm" { decoder }
use "lib/common.dlm" { python, short }

objective plain  = next_token()
objective masked = next_token(input_mask: 30%)
objective mir    = next_token(auxiliary: masked_inputs(rate: 15%, weight: 1.0))

experiment next_token {
    model:  decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    data:   python
    train:  short
    eval:   { every: 25%, loss: valid, sample: 48 tokens }
    arms:   { plain: { objective: plain }, masked: { objective: masked }, mir: { objective: mir } }
    expect: {
        // Six times through the text nothing is overfitted yet, and clean inputs tell more.
        final(loss(valid), of: plain) < final(loss(valid), of: masked)
        final(loss(valid), of: plain) == final(loss(valid), of: mir) within 5%
    }
    allow:  [not_a_bound]
}
