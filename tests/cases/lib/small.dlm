//! A corpus and a recipe that the cases share.
data small {
    source:    files("{torch}/*.py")
    tokenizer: bytes
    unique:    4K tokens
    epochs:    4
    seq:       16
    valid:     1K tokens
}

train recipe {
    batch: 8 seqs
    optimizer: adamw(lr: 1e-3)
    lr_schedule: constant(warmup: 2%)
}

schedule keep(t) = 1 - t
objective ar = next_token()
objective mdm = masked_diffusion(schedule: keep)

model tiny(dim: int = 16) {
    return unembed(rmsnorm(embed(tokens, dim)), tied: true)
}
