// passes: before the end, too
use "../lib/small.dlm" { small, recipe, ar }

block act(x: [B, T, D], kind: int) -> [B, T, D] {
    if kind == 0 { return x }
    y = linear(x, D) as own
    if kind == 1 { return silu(y) } else { return gelu(y) }
}

model m() {
    x = act(act(embed(tokens, 16), kind: 0) as a, kind: 2) as b
    return unembed(act(x, kind: 1) as c)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
