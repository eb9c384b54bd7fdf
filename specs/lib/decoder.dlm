//! The paper's decoder: pre-norm, RMSNorm, RoPE, QK-norm, SwiGLU, no biases (arXiv 2511.03276).

block attention(x: [B, T, D], heads: int, head_dim: int = D / heads, rope_base: real = 10_000) -> [B, T, D] {
    q = split_heads(linear(x, heads * head_dim) as q, heads)
    k = split_heads(linear(x, heads * head_dim) as k, heads)
    v = split_heads(linear(x, heads * head_dim) as v, heads)
    q = rope(rmsnorm(q) as q_norm, positions, base: rope_base)
    k = rope(rmsnorm(k) as k_norm, positions, base: rope_base)
    return linear(merge_heads(attend(q, k, v)), D) as o  // who may attend to whom is the objective's to say
}

block swiglu(x: [B, T, D], hidden: int) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

model decoder(layers: int, dim: int, heads: int, ffn: int, tied: bool = true) {
    x = embed(tokens, dim)
    repeat layers as layer {
        x = x + attention(rmsnorm(x) as attention_norm, heads: heads)
        x = x + swiglu(rmsnorm(x) as ffn_norm, hidden: ffn)
    }
    return unembed(rmsnorm(x) as norm, tied: tied)
}
