// passes: every operation, in its forms
use "../lib/small.dlm" { small, recipe }

schedule keep(t) = 1 - t
objective mdm = masked_diffusion(schedule: keep)

block mix(x: [B, T, D], heads: int, shared: int) -> [B, T, D] {
    q = rope(split_heads(linear(x, D) as q, heads), positions)
    k = rope(split_heads(linear(x, D / heads * shared) as k, shared), positions)
    v = split_heads(linear(x, D / heads * shared) as v, shared)
    return linear(merge_heads(attend(q, k, v, window: 64, dropout: 0.1)), D, bias: true, init: zeros) as o
}

block modulated(x: [B, T, D], c: [B, D]) -> [B, T, D] {
    (shift, scale, gate) = chunk(linear(silu(c), 3 * D) as adaln, 3)
    h = layernorm(x, gain: false) * (1 + scale) + shift
    h = dropout(linear(gelu_tanh(linear(h, 2 * D) as up), D) as down, 10%)
    return x + gate * h
}

model m() {
    c = gelu(linear(sinusoid(t, 64, max_period: 1_000, scale: 100), 16) as time)
    x = embed(tokens, 16) + sinusoid(positions, 16, scale: 1) + parameter(16) as shift
    repeat 2 as layer {
        x = x + mix(rmsnorm(x) as norm, heads: 4, shared: 2)
        x = modulated(x, c)
        x = x - relu(tanh(x)) * sigmoid(x) / 2
    }
    x = concat(x, 3 - x)
    return unembed(layernorm(x, bias: true) as norm)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
