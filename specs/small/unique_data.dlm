//! The paper's first experiment (`specs/paper/unique_data.dlm`) at a size that two cores train in minutes: one amount of
//! training, three amounts of unique data, chunks cut anew each epoch or not.
//!
//! The unique data is Python source, the budget 3M tokens at every point: 20K are seen 150 times, 80K 37 times. What the paper
//! finds at 96B tokens is asked here of bytes: does the autoregressive arm fall behind as unique data shrinks, does masked
//! diffusion stay where it is, and does the crossover come later with more unique data?
use "../lib/decoder.dlm" { decoder }
use "../lib/schedules.dlm" { linear }

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: linear)

data python {
    source:    files("{torch}/**/*.py")  // the pinned wheel's Python: the same on every machine
    tokenizer: bytes
    unique:    80K tokens
    total:     3M tokens
    seq:       128
    valid:     32K tokens
    max_per_document: { unique: 2K tokens, valid: 512 tokens }
    order:     strict(boundaries: fixed)
}

experiment unique_data {
    model:  decoder(layers: 2, dim: 128, heads: 4, ffn: 344, tied: false)
    data:   python
    train:  {
        batch:       32 seqs
        optimizer:   adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 2%, decay: 10%, floor: 10%)
        clip:        1.0
        precision:   bf16
    }
    eval:   { every: 5%, loss: [valid, train] }
    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep:  {
        data.unique: [20K, 40K, 80K] tokens
        data.order:  [strict(boundaries: fixed), strict(boundaries: moving)]
    }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)

        cross
        increasing(cross.tokens, along: data.unique)
        increasing(cross.epoch, along: data.unique)
        decreasing(final(loss(valid), of: ar), along: data.unique)
    }
}
