// passes: two kinds of layers, one of them with an attention of its own width
use "../lib/small.dlm" { small, recipe, ar }

block mix(x: [B, T, D], heads: int) -> [B, T, D] {
    q = split_heads(linear(x, D) as q, heads)
    return linear(merge_heads(attend(q, q, q)), D) as o
}

model m() {
    x = embed(tokens, 16)
    repeat 8 as i {
        if i % 4 == 3 {
            x = x + mix(x, heads: if i < 4 { 2 } else { 4 })
        } else {
            x = x + linear(rmsnorm(x), 16)
        }
    }
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
