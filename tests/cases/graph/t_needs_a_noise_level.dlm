// error[E0410]: next token has no noise level
use "../lib/small.dlm" { small, recipe, ar }

block conditioned(x: [B, T, D]) -> [B, T, D] {
    return x + linear(sinusoid(t, 64), D) as time
}

model m() {
    x = conditioned(embed(tokens, 16))
    return unembed(x * (1 + t))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
