//! A decoder of 12 layers, 768 wide: a norm before and after each sub-layer, value residuals (each layer mixes its values
//! with those of layer 0), QK-norm, and three layers with a sliding window before each that sees all.
//!
//! The norm and the feed-forward are arguments of the model. Parameters with 12 layers:
//!   token table, tied to the head   320 * 768                                                245,760
//!   a layer                         4 * 768 * 768 + 3 * 768 * 2048 + 2 * 64 + 4 * 768      7,081,088, times 12
//!   two scalars in all but layer 0                                                                22
//!   the last norm                                                                                768
//!   together                                                                             85,219,606

schedule keep(t) = 1 - t

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep)

/// QK-norm and RoPE; the values come from outside, and `local` says whether the window holds.
block attention(x: [B, T, D], v: [B, T, D], heads: int, local: bool, window: int) -> [B, T, D] {
    require D % heads == 0, "heads have to divide the width"
    q = rope(rmsnorm(split_heads(linear(x, D) as q, heads)) as q_norm, positions)
    k = rope(rmsnorm(split_heads(linear(x, D) as k, heads)) as k_norm, positions)
    return linear(merge_heads(attend(q, k, split_heads(v, heads), window: if local { window } else { none })), D) as o
}

block swiglu(x: [B, T, D], hidden: int = round_to(8 / 3 * D, 64, up)) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

model sandwich(
    layers: int,
    dim: int,
    heads: int,
    full_every: int = 4,
    window: int = 128,
    norm: block([B, T, D]) -> [B, T, D] = rmsnorm,
    ffn: block([B, T, D]) -> [B, T, D] = swiglu,
) {
    x = embed(tokens, dim)
    repeat layers as layer {
        h = norm(x) as attention_in
        v = linear(h, dim) as v
        if layer == 0 {
            first = v
        } else {
            v = v * (parameter(init: zeros) as own + 0.5) + first * (parameter(init: zeros) as of_first + 0.5)
        }
        y = attention(h, v, heads: heads, local: layer % full_every != full_every - 1, window: window)
        x = x + norm(y) as attention_out
        x = x + norm(ffn(norm(x) as ffn_in) as ffn) as ffn_out
    }
    return unembed(norm(x) as norm, tied: true)
}

data python {
    source:    files("{torch}/**/*.py")
    tokenizer: bytes
    seq:       512
    unique:    128K tokens
    total:     1M tokens
    valid:     64K tokens
    max_per_document: { unique: 8K tokens, valid: 1K tokens }
    order:     strict(boundaries: fixed)
}

experiment sandwich {
    model:  sandwich(layers: 12, dim: 768, heads: 12)
    data:   python
    train:  {
        batch:       16 seqs
        optimizer:   adamw(lr: 6e-4, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 5%, decay: 10%, floor: 10%)
        clip:        1.0
    }
    eval:   { every: 10%, loss: valid }
    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep:  { depth: zip { model.layers: [4, 8, 12], train.optimizer.lr: [1.2e-3, 8e-4, 6e-4] } }
    expect: {
        crossover(loss(valid), of: mdm, under: ar)
        decreasing(best(loss(valid), of: ar), along: depth)
    }
}
