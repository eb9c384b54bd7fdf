// error[E0401]: the widths differ
use "../lib/small.dlm" { small, recipe }

schedule keep(t) = 1 - t
objective mdm = masked_diffusion(schedule: keep)

model m() {
    x = embed(tokens, 16)
    c = sinusoid(t, 16)
    y = x * c + c * x
    return unembed(y + sinusoid(t, 8))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: mdm } }
}
