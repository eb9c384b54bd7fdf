//! MDLM's diffusion transformer, small.
use "../lib/schedules.dlm" { loglinear, eps }

objective count = masked_diffusion(schedule: loglinear)

/// x * (1 + scale) + shift, with one shift and scale per sequence.
block modulate(x: [B, T, D], shift: [B, D], scale: [B, D]) -> [B, T, D] {
    return x * (1 + scale) + shift
}

block timestep(x: [B], out: int, frequencies: int = 256) -> [B, out] {
    h = linear(sinusoid(x, frequencies, max_period: 10_000, scale: 1), out, bias: true) as first
    return linear(silu(h), out, bias: true) as second
}

block attention(x: [B, T, D], heads: int) -> [B, T, D] {
    (q, k, v) = chunk(linear(x, 3 * D) as qkv, 3)
    q = rope(split_heads(q, heads), positions)
    k = rope(split_heads(k, heads), positions)
    return linear(merge_heads(attend(q, k, split_heads(v, heads))), D) as out
}

block mlp(x: [B, T, D]) -> [B, T, D] {
    return linear(gelu_tanh(linear(x, 4 * D, bias: true) as up), D, bias: true) as down
}

model dit(layers: int = 12, dim: int = 768, heads: int = 12, cond: int = 128, timed: bool = true) {
    x = embed(tokens, dim) as vocab_embed
    if timed { sigma = t } else { sigma = 0 * t }
    c = silu(timestep(sigma, out: cond) as sigma_map)
    repeat layers as blocks {
        (shift_a, scale_a, gate_a, shift_m, scale_m, gate_m) = chunk(
            linear(c, 6 * dim, bias: true, init: zeros) as adaln,
            6,
        )
        x = x + gate_a * attention(modulate(layernorm(x) as norm1, shift_a, scale_a), heads: heads) as attn
        x = x + gate_m * mlp(modulate(layernorm(x) as norm2, shift_m, scale_m))
    }
    (shift, scale) = chunk(linear(c, 2 * dim, bias: true, init: zeros) as adaln_out, 2)
    return linear(modulate(layernorm(x) as norm_final, shift, scale), vocab, bias: true, init: zeros) as head
}

data python {
    source:    files("{torch}/**/*.py")
    tokenizer: bytes
    vocab:     50258
    seq:       1024
    unique:    128K tokens
    total:     1M tokens
    valid:     64K tokens
    max_per_document: { unique: 8K tokens, valid: 1024 tokens }
}

experiment mdlm {
    model:     dit()
    objective: count
    data:      python
    train:     {
        batch:       8 seqs
        optimizer:   adamw(lr: 3e-4, betas: (0.9, 0.999), weight_decay: 0, eps: 1e-8)
        lr_schedule: constant(warmup: 5%)
        clip:        1.0
        precision:   bf16
    }
    eval:      { every: 10%, loss: valid }
    arms:      { timed: { model.timed: true }, plain: { model.timed: false } }
    sweep:     { train.optimizer.lr: [1e-4, 3e-4, 1e-3] }
    expect:    {
        let gain = gap(loss(valid), of: timed, to: plain)
        gain < 0.05
        gain > -0.05
    }
}
