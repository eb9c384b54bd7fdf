// error[E0412]: by the call
use "../lib/small.dlm" { small, recipe, ar }

block mix(x: [B, T, D], heads: int) -> [B, T, D] {
    require D % heads == 0 and D / heads >= 4, "heads divide the width, and have 4 of it"
    return x
}

block layer(x: [B, T, D], heads: int) -> [B, T, D] {
    return x + mix(rmsnorm(x), heads: heads)
}

model m(heads: int) {
    require heads in [1, 2, 4]
    x = embed(tokens, 16)
    repeat 2 as i {
        x = layer(x, heads: heads * 2 ^ i)
    }
    return unembed(x)
}

experiment e {
    model: m(heads: 8)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
