//! Models whose layers differ, share, collect and take blocks from outside: small, and each with a layer of every
//! kind that its construct can make.
#![allow(dead_code)] // each test file and the bench use a part

/// (name, definitions, call)
pub const MODELS: &[(&str, &str, &str)] = &[
    ("windows", WINDOWS, "windows(layers: 6, dim: 4)"),
    ("value_residual", VALUE_RESIDUAL, "value_residual(layers: 4, dim: 4)"),
    ("u_net", U_NET, "u_net(depth: 3, dim: 4)"),
    ("shared", SHARED, "shared(dim: 4)"),
    ("albert", ALBERT, "albert(layers: 3, dim: 4, ffn: swiglu(hidden: 6))"),
    ("given", GIVEN, "given(dim: 4, norm: layernorm(eps: 1e-3))"),
    ("nested", NESTED, "nested(dim: 4)"),
    ("gated", GATED, "gated(dim: 4)"),
];

/// Three of four layers see a window; the fourth has twice the heads, and an attention of its own width.
const WINDOWS: &str = "
block attention(x: [B, T, D], heads: int, local: bool) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    k = split_heads(linear(x, D) as k, heads)
    v = split_heads(linear(x, D) as v, heads)
    return linear(merge_heads(attend(q, k, v, window: if local { 2 } else { none })), D) as o
}

model windows(layers: int, dim: int) {
    x = embed(tokens, dim)
    repeat layers as i {
        if i % 4 == 3 {
            x = x + attention(rmsnorm(x) as norm, heads: 2, local: false)
        } else {
            x = x + attention(rmsnorm(x) as norm, heads: 1, local: true)
        }
        x = x + linear(silu(linear(x, if i == 0 { 3 } else { 5 }) as up), dim) as down
    }
    return unembed(rmsnorm(x) as norm)
}";

/// The values of the first layer go into those of all others, and the last layers read a middle one.
const VALUE_RESIDUAL: &str = "
model value_residual(layers: int, dim: int) {
    x = embed(tokens, dim)
    repeat layers as i {
        v = linear(rmsnorm(x) as norm, dim) as v
        if i == 0 { v0 = v } else { v = v * 0.5 + v0 * 0.5 }
        if i == 2 { middle = silu(x) }
        x = x + v
        if i > 2 { x = x + linear(middle, dim) as late }
    }
    return unembed(x)
}";

/// Layers on the way up read those on the way down, in reverse.
const U_NET: &str = "
model u_net(depth: int, dim: int) {
    x = embed(tokens, dim)
    repeat depth as down {
        x = x + linear(silu(x), dim)
        collect h = x
        collect g = rmsnorm(x)
    }
    repeat depth as up {
        x = linear(concat(x, pick(h, depth - 1 - up)), dim)
        if up % 2 == 0 { x = x + pick(g, up) * pick(g, 0) }
    }
    return unembed(x + pick(h, 1))
}";

/// One map for all layers, another for each; a head in two places; an encoder run twice.
const SHARED: &str = "
block encoder(x: [B, T, D]) -> [B, T, D] {
    repeat 2 as layer {
        x = x + linear(silu(x), D)
        if layer == 1 { x = x + linear(x, D) as last }
    }
    return x
}

model shared(dim: int) {
    x = embed(tokens, dim)
    repeat 3 as i {
        if i % 2 == 0 { x = x + share linear(rmsnorm(x), dim) as common } else { x = x - share linear(x, dim) as common }
        x = x + linear(silu(x), dim) as own
    }
    x = share encoder(x) * share encoder(-x)
    y = share linear(x, dim) as head
    return unembed(share linear(silu(y), dim) as head)
}";

/// All layers one layer, with a feed-forward of the caller.
const ALBERT: &str = "
block swiglu(x: [B, T, D], hidden: int) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

block layer(x: [B, T, D], ffn: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    q = split_heads(linear(rmsnorm(x) as norm, D) as q, 2)
    x = x + linear(merge_heads(attend(q, q, q)), D) as o
    return x + ffn(rmsnorm(x) as ffn_norm)
}

model albert(layers: int, dim: int, ffn: block([B, T, D]) -> [B, T, D]) {
    x = linear(embed(tokens, 3), dim) as factor
    repeat layers {
        x = share layer(x, ffn: ffn)
    }
    return unembed(x)
}";

/// A norm from the experiment, a feed-forward from a caller that depends on the layer, blocks with two results.
const GIVEN: &str = "
block mlp(x: [B, T, D], hidden: int, act: block([B, T, H]) -> [B, T, H] = silu) -> [B, T, D] {
    return linear(act(linear(x, hidden) as up), D) as down
}

block halves(x: [B, T, D], y: [B, T, D], n: int = 2) -> ([B, T, D], [B, T, D]) {
    (a, b) = chunk(linear(x, 2 * D) as both, 2)
    return (a, b + y * n)
}

block layer(
    x: [B, T, D],
    ffn: block([B, T, D]) -> [B, T, D],
    mix: block([B, T, D], [B, T, D]) -> ([B, T, D], [B, T, D]),
    norm: block([B, T, D]) -> [B, T, D] = rmsnorm,
) -> [B, T, D] {
    (a, b) = mix(norm(x) as first_norm, x)
    return a + ffn(norm(b) as second_norm)
}

model given(dim: int, norm: block([B, T, D]) -> [B, T, D]) {
    x = embed(tokens, dim)
    repeat 3 as i {
        x = x + layer(x, ffn: mlp(hidden: 3 + i % 2), mix: halves, norm: norm)
    }
    x = layer(x, ffn: mlp(hidden: 3, act: gelu), mix: halves(n: 1))
    return unembed(x)
}";

/// Choices by two indices, lists of an outer repeat read in an inner one, an inner count that grows.
const NESTED: &str = "
model nested(dim: int) {
    x = embed(tokens, dim)
    repeat 3 as a {
        repeat 3 as b {
            if b == a { x = x + linear(x, dim) as diagonal } else if a % 2 == 0 and b == 0 { x = silu(x) }
            collect inner = x
        }
        if a == 0 { first = pick(inner, 2) } else { x = x + first * (a + 1) }
        repeat a + 1 as c {
            x = x + linear(pick(inner, 2 - a) * pick(inner, c), dim) as late
        }
        collect outer = pick(inner, a)
    }
    repeat 2 as d {
        repeat 3 as e {
            x = x + pick(outer, e) * pick(outer, d) + pick(outer, (d + e) % 3)
        }
    }
    return unembed(rmsnorm(x))
}";

/// Early returns, switches, several results, learnable tensors that only some layers have.
const GATED: &str = "
block gate(x: [B, T, D], kind: int) -> [B, T, D] {
    require kind in 0..2, \"three kinds\"
    if kind == 0 { return x }
    g = parameter(D, init: ones)
    if kind == 1 { return x * g } else { return x * sigmoid(linear(x, D)) * g }
}

model gated(dim: int, deep: bool = true) {
    x = embed(tokens, dim)
    repeat 5 as i {
        x = x + gate(silu(x), kind: min(i, 2)) * (if i >= 3 { 0.5 } else { 1 })
    }
    if deep and dim % 2 == 0 { (a, b) = chunk(x, 2) } else { (a, b) = (x, x) }
    return unembed(concat(b, a))
}";

/// A decoder of two kinds of layers, every fourth with full attention and a wider feed-forward.
pub const DEEP: &str = "
block attention(x: [B, T, D], heads: int, local: bool) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    k = split_heads(linear(x, D) as k, heads)
    v = split_heads(linear(x, D) as v, heads)
    q = rope(rmsnorm(q) as q_norm, positions)
    k = rope(rmsnorm(k) as k_norm, positions)
    return linear(merge_heads(attend(q, k, v, window: if local { 32 } else { none })), D) as o
}

block swiglu(x: [B, T, D], hidden: int) -> [B, T, D] {
    return linear(silu(linear(x, hidden) as gate) * linear(x, hidden) as up, D) as down
}

model deep(layers: int) {
    x = embed(tokens, 32)
    repeat layers as i {
        x = x + attention(rmsnorm(x) as norm, heads: 4, local: not i % 4 == 3)
        if i % 4 == 3 {
            x = x + swiglu(rmsnorm(x) as ffn_norm, hidden: 96)
        } else {
            x = x + swiglu(rmsnorm(x) as ffn_norm, hidden: 64)
        }
    }
    return unembed(rmsnorm(x) as norm)
}
";

/// Dropout in regions, nested ones, blocks that are called twice, layers of two kinds, a tensor without rows.
pub const DROPPED: &str = "
block mix(x: [B, T, D], heads: int, rate: real) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    k = split_heads(linear(x, D / 2) as k, heads / 2)
    return linear(merge_heads(attend(q, k, k, dropout: rate)), D) as o
}

block noisy(x: [B, T, D], rate: real) -> [B, T, D] {
    return dropout(silu(dropout(x, rate)), rate)
}

model dropped(dim: int, rate: real) {
    x = embed(tokens, dim) + dropout(embed(positions, dim) as places, rate)
    repeat 3 as i {
        if i == 1 {
            x = x + dropout(mix(rmsnorm(x) as norm, heads: 2, rate: rate), rate)
        } else {
            x = x + dropout(linear(noisy(x, rate: rate), dim), rate)
        }
        repeat 2 as j {
            x = x + noisy(x, rate: rate * 0.5) * parameter(dim, init: ones) as gain
            collect h = dropout(x, rate)
        }
        x = x + pick(h, 1) + share linear(noisy(x, rate: rate), dim) as common
    }
    repeat 2 as i {
        x = x + noisy(x, rate: rate)
    }
    return unembed(x)
}";
