//! nanoGPT's recipe for tiny Shakespeare on a CPU (karpathy/nanoGPT, README, "I only have a macbook").
use "../lib/gpt.dlm" { gpt }

objective next = next_token()

data shakespeare {
    source:    files("../../../shared/data/tinyshakespeare/input.txt")
    tokenizer: chars(65)
    split:     tail              // the last tenth, as data/shakespeare_char/prepare.py
    valid:     10%
    unique:    all
    seq:       65                // block_size 64: 64 targets take 65 characters
    order:     windows
    total:     1_560_000 tokens  // 2,000 steps of 12 rows
}

experiment nanogpt_shakespeare_cpu {
    model: gpt(layers: 4, dim: 128, heads: 4)
    data:  shakespeare
    train: {
        batch:       12 seqs
        optimizer:   adamw(lr: 1e-3, betas: (0.9, 0.99), weight_decay: 0.1)
        lr_schedule: cosine(warmup: 100 steps, floor: 10%)
        clip:        1.0
        precision:   fp32  // train.py's autocast is for CUDA alone
    }
    eval:  { every: 250 steps, loss: valid }

    arms:  { ar: { objective: next } }
}
