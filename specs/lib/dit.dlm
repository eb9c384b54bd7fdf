//! A small transformer that is told the noise level, for objectives whose tokens may be noise without looking it:
//! the decoder of "std/decoder.dlm" with the modulations of DiT (Peebles and Xie, arXiv 2212.09748, section 3.2; MDLM's
//! models/dit.py). Also `use "std/dit.dlm"`.
//!
//! Every norm is followed by a scale and a shift, every branch by a gate, all three linear in an embedding of `t`. They
//! begin as doing nothing, so that the model begins as the decoder does: gates are 1 + g where DiT has g, which would
//! begin with all branches closed and costs the first of a few hundred steps.
use "std/decoder.dlm" { attention, swiglu }

/// An embedding of the noise level: cosines and sines of 1,000 t, two layers.
block noise_level(t: [B], out: int) -> [B, out] {
    h = silu(linear(sinusoid(t, out), out, bias: true) as first)
    return silu(linear(h, out, bias: true) as second)
}

block modulate(x: [B, T, D], shift: [B, D], scale: [B, D]) -> [B, T, D] {
    return x * (1 + scale) + shift
}

/// `cond`: the width of the noise level's embedding.
model dit(layers: int, dim: int, heads: int, ffn: int, cond: int = 64, tied: bool = true) {
    x = embed(tokens, dim)
    c = noise_level(t, out: cond)
    repeat layers as layer {
        (shift_a, scale_a, gate_a, shift_f, scale_f, gate_f) = chunk(
            linear(c, 6 * dim, bias: true, init: zeros) as modulation,
            6,
        )
        a = attention(modulate(rmsnorm(x) as attention_norm, shift_a, scale_a), heads: heads)
        x = x + (1 + gate_a) * a
        f = swiglu(modulate(rmsnorm(x) as ffn_norm, shift_f, scale_f), hidden: ffn)
        x = x + (1 + gate_f) * f
    }
    (shift, scale) = chunk(linear(c, 2 * dim, bias: true, init: zeros) as modulation, 2)
    return unembed(modulate(rmsnorm(x) as norm, shift, scale), tied: tied)
}
