// error[E0303]: a rate of dropout is the share of elements that are dropped, so below 1
use "../lib/small.dlm" { small, recipe }

schedule keep(t) = 1 - t
objective mdm = masked_diffusion(schedule: keep)

block mix(x: [B, T, D], rate: real) -> [B, T, D] {
    h = split_heads(x, 2)
    return merge_heads(attend(h, h, h, dropout: rate))
}

model m(rate: real) {
    x = dropout(embed(tokens, 16), 1)
    x = dropout(x, rate)
    repeat 2 as layer {
        x = x + mix(x, rate: layer - 1)
    }
    return unembed(x)
}

experiment e {
    model: m(rate: -0.1)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
