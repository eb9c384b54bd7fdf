// passes: sigma = -log alpha(t) as MDLM's transformer takes it; a biased head; an even start
use "../lib/small.dlm" { small, recipe, mdm }

block conditioned(x: [B, T, D], c: [B, C]) -> [B, T, D] {
    (shift, scale) = chunk(linear(c, 2 * D, bias: true, init: zeros) as modulation, 2)
    return layernorm(x) * (1 + scale) + shift
}

model dit(dim: int, eps: real = 1e-3) {
    x = embed(tokens, dim, init: uniform(1 / sqrt(dim)))
    sigma = -log(1 - (1 - eps) * t)
    c = silu(linear(sinusoid(sigma, 16, scale: 1), 8, bias: true) as sigma_map)
    repeat 2 as layer {
        x = x + linear(conditioned(x, c) as norm, dim) as mlp
    }
    return unembed(conditioned(x, c) as norm, bias: true, init: zeros)
}

experiment e {
    model: dit(dim: 32)
    data: small
    train: recipe
    eval: { every: 1 epoch, loss: valid }
    arms: { mdm: { objective: mdm } }
}
