//! The paper's decoder: pre-norm, RMSNorm, RoPE, QK-norm, SwiGLU, no biases (arXiv 2511.03276).

block attention(
    x: [B, T, D],
    heads: int,
    head_dim: int = D / heads,
    rope_base: real = 10_000,
    probability_dropout: real = 0,
) -> [B, T, D] {
    q = split_heads(linear(x, heads * head_dim) as q, heads)
    k = split_heads(linear(x, heads * head_dim) as k, heads)
    v = split_heads(linear(x, heads * head_dim) as v, heads)
    q = rope(rmsnorm(q) as q_norm, positions, base: rope_base)
    k = rope(rmsnorm(k) as k_norm, positions, base: rope_base)
    y = attend(q, k, v, dropout: probability_dropout)  // who may attend to whom is the objective's to say
    return linear(merge_heads(y), D) as o
}

block swiglu(x: [B, T, D], hidden: int, hidden_dropout: real = 0) -> [B, T, D] {
    h = silu(linear(x, hidden) as gate) * linear(x, hidden) as up
    return linear(dropout(h, hidden_dropout), D) as down
}

/// Dropout is of attention's probabilities, of what each block adds to x, of the feed-forward's hidden features, of
/// the embedded tokens.
model decoder(
    layers: int,
    dim: int,
    heads: int,
    ffn: int,
    tied: bool = true,
    attention_dropout: real = 0,
    residual_dropout: real = 0,
    ffn_dropout: real = 0,
    embedding_dropout: real = 0,
) {
    x = dropout(embed(tokens, dim), embedding_dropout)
    repeat layers as layer {
        h = attention(rmsnorm(x) as attention_norm, heads: heads, probability_dropout: attention_dropout)
        x = x + dropout(h, residual_dropout)
        h = swiglu(rmsnorm(x) as ffn_norm, hidden: ffn, hidden_dropout: ffn_dropout)
        x = x + dropout(h, residual_dropout)
    }
    return unembed(rmsnorm(x) as norm, tied: tied)
}
