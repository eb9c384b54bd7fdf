// passes: one attention for all layers, and one head for two places
use "../lib/small.dlm" { small, recipe, ar }

block mix(x: [B, T, D]) -> [B, T, D] {
    return linear(silu(linear(x, 8) as up), D) as down
}

model m() {
    x = embed(tokens, 16)
    repeat 6 as i {
        if i % 2 == 0 { x = x + share mix(rmsnorm(x)) } else { x = x + share mix(x) + mix(x) as own }
    }
    x = share mix(x)
    y = share linear(x, 16) as out
    return unembed(share linear(y, 16) as out)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
