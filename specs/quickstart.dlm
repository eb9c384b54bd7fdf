//! Does repeating a hundred thousand bytes of Python code favour diffusion?
use "lib/decoder.dlm" { decoder }

schedule keep(t) = 1 - t  // alpha(t): chance that a token is still clean

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep, t: stratified(0, 1), weight: elbo, estimator: count)

data python {
    source:    files("{torch}/**/*.py")   // the pinned wheel's Python: the same on every machine
    tokenizer: bytes
    unique:    100K tokens                // any two of unique, epochs, total; the third is derived
    epochs:    40
    seq:       128
    valid:     64K tokens                 // split by document, before the subset is drawn
    max_per_document: { unique: 2K tokens, valid: 512 tokens }  // many documents, so that an interval means something
    order:     strict(boundaries: fixed)  // each epoch every token once, in the same chunks; `moving` cuts them anew
}

experiment quickstart {
    model:  decoder(layers: 4, dim: 128, heads: 4, ffn: 344, tied: false)
    data:   python
    train:  {
        batch:       32 seqs
        optimizer:   adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 2%, decay: 10%, floor: 10%)
        clip:        1.0
        precision:   bf16
        seeds:       { init: 1, split: 2, subset: 3, order: 4, noise: 5, eval: 6 }
    }
    eval:   { every: 1 epoch, loss: valid, sample: 96 tokens }

    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: { crossover(loss(valid), of: mdm, under: ar) }
}
