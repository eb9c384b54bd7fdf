// error[E0403]: two layers of one encoder, three of the other
use "../lib/small.dlm" { small, recipe, ar }

block encoder(x: [B, T, D], layers: int) -> [B, T, D] {
    repeat layers as layer { x = x + linear(x, D) }
    return x
}

model m() {
    x = embed(tokens, 16)
    a = share encoder(x, layers: 2)
    b = share encoder(-x, layers: 2)
    c = share encoder(-x, layers: 3)
    return unembed(a + b + c)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
