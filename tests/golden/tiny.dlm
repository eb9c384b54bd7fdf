//! A run small enough to be watched digit by digit.
use "../../specs/lib/decoder.dlm" { decoder }

schedule keep(t) = 1 - t

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep)

data modules {
    source:    files("{torch}/nn/modules/*.py")
    tokenizer: bytes
    unique:    8K tokens
    epochs:    4
    seq:       32
    valid:     2K tokens
    max_per_document: { unique: 1K tokens, valid: 128 tokens }
}

experiment tiny {
    model:  decoder(layers: 2, dim: 32, heads: 2, ffn: 64)
    data:   modules
    train:  {
        batch: 16 seqs
        micro_batch: 8 seqs
        optimizer: adamw(lr: 3e-3, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 10%, decay: 20%, floor: 10%)
        clip: 1.0
        precision: fp32
        checkpoint_every: 20 steps
    }
    eval:   { every: 1 epoch, loss: valid, sample: 24 tokens }
    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: { crossover(loss(valid), of: mdm, under: ar) }
}
