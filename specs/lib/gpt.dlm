//! nanoGPT's model: LayerNorm, learned positions, GELU, tied head, dropout where it has it; no biases
//! (karpathy/nanoGPT, model.py).

block attention(x: [B, T, D], heads: int, residual_std: real, rate: real = 0) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    k = split_heads(linear(x, D) as k, heads)
    v = split_heads(linear(x, D) as v, heads)
    y = linear(merge_heads(attend(q, k, v, dropout: rate)), D, init: normal(residual_std)) as c_proj
    return dropout(y, rate)
}

block gelu_mlp(x: [B, T, D], residual_std: real, rate: real = 0) -> [B, T, D] {
    return dropout(linear(gelu(linear(x, 4 * D) as c_fc), D, init: normal(residual_std)) as c_proj, rate)
}

/// Weights start normal(0.02); those that write into the residual stream smaller, by the root of their number.
model gpt(layers: int, dim: int, heads: int, dropout: real = 0) {
    residual_std = 0.02 / sqrt(2 * layers)
    x = dropout(embed(tokens, dim) as wte + embed(positions, dim) as wpe, dropout)
    repeat layers as layer {
        x = x + attention(layernorm(x) as ln_1, heads: heads, residual_std: residual_std, rate: dropout) as attn
        x = x + gelu_mlp(layernorm(x) as ln_2, residual_std: residual_std, rate: dropout) as mlp
    }
    return unembed(layernorm(x) as ln_f, tied: true)
}
