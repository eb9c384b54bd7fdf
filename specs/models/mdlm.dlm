//! MDLM's diffusion transformer, small (github.com/kuleshov-group/mdlm, models/dit.py, configs/model/small.yaml;
//! arXiv 2406.07524): does it help to tell the model how much is masked?
//!
//! Left out: dropout (0.1) and the averaging of weights (0.9999, for a million steps). V = 50258 is GPT-2's vocabulary
//! and the mask; the text here is bytes. Parameters, in the order of dit.py:
//!   vocab_embed                768 V                                                                      38,598,144
//!   sigma_map                  256 * 128 + 128 + 128 * 128 + 128                                              49,408
//!   a block    norms           2 * 768                                                                         1,536
//!              attention       768 * 2304 + 768 * 768                                                      2,359,296
//!              mlp             768 * 3072 + 3072 + 3072 * 768 + 768                                        4,722,432
//!              adaLN           128 * 4608 + 4608                                                             594,432
//!              together                                                                         7,677,696, times 12
//!   output_layer               768 + 768 V + V + 128 * 1536 + 1536                                        38,847,314
//!   together                   1537 V + 92,380,672                                                       169,627,218
use "../lib/schedules.dlm" { loglinear, eps }

objective masked = masked_diffusion(schedule: loglinear)

/// torch.nn.Linear as it begins: weight and bias even on -1/sqrt(D) to 1/sqrt(D).
block dense(x: [B, T, D], out: int) -> [B, T, out] {
    bound = 1 / sqrt(D)
    return linear(x, out, init: uniform(bound)) as weight + parameter(out, init: uniform(bound)) as bias
}

block dense_each(x: [B, D], out: int) -> [B, out] {
    bound = 1 / sqrt(D)
    return linear(x, out, init: uniform(bound)) as weight + parameter(out, init: uniform(bound)) as bias
}

block timestep(sigma: [B], out: int, frequencies: int = 256) -> [B, out] {
    h = dense_each(sinusoid(sigma, frequencies, max_period: 10_000, scale: 1), out) as first
    return dense_each(silu(h), out) as second
}

block modulate(x: [B, T, D], shift: [B, D], scale: [B, D]) -> [B, T, D] {
    return x * (1 + scale) + shift
}

block attention(x: [B, T, D], heads: int) -> [B, T, D] {
    (q, k, v) = chunk(linear(x, 3 * D, init: uniform(1 / sqrt(D))) as qkv, 3)
    q = rope(split_heads(q, heads), positions)
    k = rope(split_heads(k, heads), positions)
    return linear(merge_heads(attend(q, k, split_heads(v, heads))), D, init: uniform(1 / sqrt(D))) as out
}

block mlp(x: [B, T, D], ratio: int = 4) -> [B, T, D] {
    return dense(gelu_tanh(dense(x, ratio * D) as up), D) as down
}

model dit(layers: int = 12, dim: int = 768, heads: int = 12, cond: int = 128, end: real, timed: bool = true) {
    x = embed(tokens, dim, init: uniform(1 / sqrt(dim))) as vocab_embed
    if timed {
        sigma = -log(1 - (1 - end) * t)
    } else {
        sigma = 0 * t
    }
    c = silu(timestep(sigma, out: cond) as sigma_map)
    repeat layers as blocks {
        (shift_a, scale_a, gate_a, shift_m, scale_m, gate_m) = chunk(
            linear(c, 6 * dim, bias: true, init: zeros) as adaln,
            6,
        )
        x = x + gate_a * attention(modulate(layernorm(x) as norm1, shift_a, scale_a), heads: heads) as attn
        x = x + gate_m * mlp(modulate(layernorm(x) as norm2, shift_m, scale_m))
    }
    (shift, scale) = chunk(linear(c, 2 * dim, bias: true, init: zeros) as adaln, 2)
    return unembed(modulate(layernorm(x) as norm_final, shift, scale), bias: true, init: zeros) as head
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
    model:     dit(end: eps)
    objective: masked
    data:      python
    train:     {
        batch:       8 seqs
        optimizer:   adamw(lr: 3e-4, betas: (0.9, 0.999), eps: 1e-8)
        lr_schedule: constant(warmup: 5%)
        clip:        1.0
        precision:   bf16
    }
    eval:      { every: 10%, loss: valid }
    arms:      { timed: { model.timed: true }, plain: { model.timed: false } }
    sweep:     { train.optimizer.lr: [1e-4, 3e-4, 1e-3] }
    expect:    {
        final(loss(valid), of: timed) == final(loss(valid), of: plain) within 1%  // at each rate
        let tuned = best(loss(valid), of: timed, each: best_over(lr))
        tuned == best(loss(valid), of: plain, each: best_over(lr)) within 1%
    }
    allow:     [schedule_near_ends, not_a_bound]
}
