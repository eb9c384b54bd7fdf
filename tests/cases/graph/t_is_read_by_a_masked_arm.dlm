// passes: a masked row has a noise level
use "../lib/small.dlm" { small, recipe }

schedule keep(t) = 1 - t
objective mdm = masked_diffusion(schedule: keep)

block conditioned(x: [B, T, D]) -> [B, T, D] {
    return x + linear(sinusoid(t, 64), D) as time
}

model m() {
    x = conditioned(embed(tokens, 16))
    return unembed(x * (1 + 2 * t))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
