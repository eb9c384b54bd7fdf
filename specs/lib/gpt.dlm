//! nanoGPT's model: LayerNorm, learned positions, GELU, tied head; no biases, no dropout (karpathy/nanoGPT, model.py).

block attention(x: [B, T, D], heads: int, residual_std: real) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    k = split_heads(linear(x, D) as k, heads)
    v = split_heads(linear(x, D) as v, heads)
    return linear(merge_heads(attend(q, k, v)), D, init: normal(residual_std)) as c_proj
}

block gelu_mlp(x: [B, T, D], residual_std: real) -> [B, T, D] {
    return linear(gelu(linear(x, 4 * D) as c_fc), D, init: normal(residual_std)) as c_proj
}

/// Weights start normal(0.02); those that write into the residual stream smaller, by the root of their number.
model gpt(layers: int, dim: int, heads: int) {
    residual_std = 0.02 / sqrt(2 * layers)
    x = embed(tokens, dim) as wte + embed(positions, dim) as wpe
    repeat layers as layer {
        x = x + attention(layernorm(x) as ln_1, heads: heads, residual_std: residual_std) as attn
        x = x + gelu_mlp(layernorm(x) as ln_2, residual_std: residual_std) as mlp
    }
    return unembed(layernorm(x) as ln_f, tied: true)
}
