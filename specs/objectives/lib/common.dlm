//! What the specs of this folder share: a small text and a short recipe, some seconds an arm on two cores.

data python {
    source:    files("{torch}/**/*.py")  // the pinned wheel's Python: the same on every machine
    tokenizer: bytes
    unique:    100K tokens
    epochs:    6                         // 292 steps
    seq:       64
    valid:     32K tokens
    max_per_document: { unique: 2K tokens, valid: 256 tokens }
}

train short {
    batch:       32 seqs
    optimizer:   adamw(lr: 3e-3, betas: (0.9, 0.95), weight_decay: 0.1)
    lr_schedule: wsd(warmup: 5%, decay: 20%, floor: 10%)
    clip:        1.0
    precision:   fp32
}
