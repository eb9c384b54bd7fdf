//! GPT-2's table: most of the work, and of the memory, is the head's.
use "../lib/decoder.dlm" { decoder }

schedule keep(t) = 1 - t  // alpha(t): chance that a token is still clean

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep, t: stratified(0, 1), weight: elbo, estimator: bernoulli)

// Random ids: all can be predicted, as in a vocabulary of this size, on any machine.
data ids {
    source: random(vocab: 50257)
    vocab:  50304
    unique: 1M tokens
    epochs: 1
    seq:    256
    valid:  64K tokens
}

experiment gpt2 {
    model: decoder(layers: 6, dim: 384, heads: 6, ffn: 1024, tied: false)
    data:  ids
    train: {
        batch:       8 seqs
        optimizer:   adamw(lr: 3e-4, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: constant()
        clip:        1.0
        precision:   bf16
        seeds:       { init: 1, split: 2, subset: 3, order: 4, noise: 5, eval: 6 }
    }
    eval:  { every: 1 epoch, loss: valid }
    arms:  { mdm: { objective: mdm }, ar: { objective: ar } }
}
