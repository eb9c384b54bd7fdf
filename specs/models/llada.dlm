//! LLaDA 8B (arXiv 2502.09992) against the same decoder trained on the next token, at three sizes.
//!
//! `small` has the shape of the paper's 1B (1,487,243,264 parameters, of which 0.97B in the layers), `medium` is between
//! (3,948,063,744). `t` is drawn from 0 on, as the paper has it; its code begins at 1e-3, which would be no bound. `large`:
//!   token table and head      2 * 126464 * 4096                                   1,035,993,088
//!   a layer                   4 * 4096 * 4096 + 3 * 4096 * 12288 + 2 * 4096         218,112,000, times 32
//!   the last norm                                                                         4,096
//!   together                                                                      8,015,581,184

/// A vanilla Llama block: no biases, RMSNorm, RoPE; `kv_heads` below `heads` is grouped-query attention.
block attention(x: [B, T, D], heads: int, kv_heads: int, rope_base: real) -> [B, T, D] {
    require D % heads == 0, "heads have to divide the width"
    require heads % kv_heads == 0, "kv_heads have to divide the heads"
    q = rope(split_heads(linear(x, D) as q, heads), positions, base: rope_base)
    k = rope(split_heads(linear(x, D / heads * kv_heads) as k, kv_heads), positions, base: rope_base)
    v = split_heads(linear(x, D / heads * kv_heads) as v, kv_heads)
    return linear(merge_heads(attend(q, k, v)), D) as o
}

block swiglu(x: [B, T, D], hidden: int) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

model llada(layers: int = 32, dim: int = 4096, heads: int = 32, kv_heads: int = heads, ffn: int = 12288) {
    x = embed(tokens, dim)
    repeat layers as layer {
        x = x + attention(rmsnorm(x, eps: 1e-5) as attention_norm, heads: heads, kv_heads: kv_heads, rope_base: 500_000)
        x = x + swiglu(rmsnorm(x, eps: 1e-5) as ffn_norm, hidden: ffn)
    }
    return unembed(rmsnorm(x, eps: 1e-5) as norm)
}

schedule keep(t) = 1 - t

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep, t: iid(0, 1), estimator: bernoulli)

data python {
    source:    files("{torch}/**/*.py")
    tokenizer: bytes
    vocab:     126464
    seq:       4096
    unique:    256K tokens
    epochs:    10
    valid:     256K tokens
    max_per_document: { unique: 8192 tokens, valid: 4096 tokens }
    order:     strict(boundaries: fixed)
}

experiment llada {
    model:  llada()
    data:   python
    train:  {
        batch:       8 seqs
        optimizer:   adamw(lr: 4e-4, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 5%, decay: 10%, floor: 10%)
        clip:        1.0
        precision:   bf16
    }
    eval:   { every: 2 epochs, loss: valid }
    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep:  {
        size: cases {
            small:  { model.layers: 22, model.dim: 2048, model.kv_heads: 4, model.ffn: 5634 }
            medium: { model.layers: 28, model.dim: 3072, model.heads: 24, model.ffn: 8192 }
            large:  { model.layers: 32 }
        }
    }
    expect: {
        crossover(loss(valid), of: mdm, under: ar)
        decreasing(best(loss(valid), of: mdm), along: size)
    }
}
