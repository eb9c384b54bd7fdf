//! Noise that is no part of an objective: dropout, one knob for each place, and Gaussian noise on the weights. Both are
//! of training alone; the question of arXiv 2511.03276 is whether they do for autoregression what masks do for diffusion.
use "../lib/decoder.dlm" { decoder }
use "lib/common.dlm" { python, short }

objective ar = next_token()

experiment parameter_noise {
    model:     decoder(layers: 2, dim: 64, heads: 2, ffn: 172)
    objective: ar
    data:      python
    train:     short
    eval:      { every: 25%, loss: valid, sample: 48 tokens }
    factors:   [
        model.attention_dropout,
        model.residual_dropout,
        model.ffn_dropout,
        model.embedding_dropout,
        train.weight_noise,
    ]
    arms:      {
        plain:     { train.weight_noise: none }
        attention: { model.attention_dropout: 0.1 }
        residual:  { model.residual_dropout: 0.1 }
        ffn:       { model.ffn_dropout: 0.1 }
        embedding: { model.embedding_dropout: 0.1 }
        weights:   { train.weight_noise: 0.01 }
    }
    expect:    {
        // Six times through the text nothing is overfitted yet, and noise costs.
        final(loss(valid), of: plain) < final(loss(valid), of: residual)
        final(loss(valid), of: plain) == final(loss(valid), of: weights) within 5%
    }
}
