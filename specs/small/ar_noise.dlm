//! Does noise make an autoregressive model what diffusion is? Input masking and dropout on the autoregressive arm, beside
//! masked diffusion, on 40,000 bytes that are seen 75 times (`specs/paper/input_masking.dlm` and `dropout.dlm` at a size that
//! two cores train in minutes).
//!
//! The paper's answer is that both help and neither closes the gap; the claims say the same. Dropout is that of the residual
//! stream and of the feed-forward layers, at one rate; evaluation sees neither masks nor dropout.
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { linear }

objective ar     = next_token()
objective mask10 = next_token(input_mask: 10%)
objective mask30 = next_token(input_mask: 30%)
objective mask50 = next_token(input_mask: 50%)
objective mask70 = next_token(input_mask: 70%)
objective mdm    = masked_diffusion(schedule: linear)

data python {
    source:    files("{torch}/**/*.py")  // the pinned wheel's Python: the same on every machine
    tokenizer: bytes
    unique:    40K tokens
    total:     3M tokens
    seq:       128
    valid:     32K tokens
    max_per_document: { unique: 2K tokens, valid: 512 tokens }
    order:     strict(boundaries: fixed)
}

experiment ar_noise {
    model:   decoder(layers: 2, dim: 128, heads: 4, ffn: 344, tied: false)
    data:    python
    train:   {
        batch:       32 seqs
        optimizer:   adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 2%, decay: 10%, floor: 10%)
        clip:        1.0
        precision:   bf16
    }
    eval:    { every: 5%, loss: [valid, train] }
    factors: [objective, model]
    arms:    {
        ar:        { objective: ar }
        mask10:    { objective: mask10 }
        mask30:    { objective: mask30 }
        mask50:    { objective: mask50 }
        mask70:    { objective: mask70 }
        dropout10: { objective: ar, model.residual_dropout: 10%, model.ffn_dropout: 10% }
        dropout30: { objective: ar, model.residual_dropout: 30%, model.ffn_dropout: 30% }
        dropout50: { objective: ar, model.residual_dropout: 50%, model.ffn_dropout: 50% }
        mdm:       { objective: mdm }
    }
    allow:   [not_a_bound]
    expect:  {
        // Each kind of noise helps the repeated autoregressive arm ...
        final(loss(valid), of: mask30) < final(loss(valid), of: ar)
        final(loss(valid), of: dropout30) < final(loss(valid), of: ar)
        // ... and none of it closes the gap at the end of training.
        final(loss(valid), of: mdm) < final(loss(valid), of: mask30)
        final(loss(valid), of: mdm) < final(loss(valid), of: mask70)
        final(loss(valid), of: mdm) < final(loss(valid), of: dropout30)
        final(loss(valid), of: mdm) < final(loss(valid), of: dropout50)
        // A best checkpoint is another question.
        best(loss(valid), of: mdm) < best(loss(valid), of: ar)
    }
}
