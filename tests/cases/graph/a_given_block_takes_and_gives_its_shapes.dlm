// error[E0401]: both sides named
use "../lib/small.dlm" { small, recipe, ar }

block narrow(x: [B, T, D]) -> [B, T, 8] {
    return linear(x, 8)
}

block heads(x: [B, H, T, D]) -> [B, H, T, D] {
    return x
}

block around(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return f(x)
}

block wide(x: [B, T, D], f: block([B, T, D]) -> [B, T, D]) -> [B, T, D] {
    return linear(f(linear(x, 4) as w), D) as back
}

model m() {
    x = embed(tokens, 16)
    a = around(x, f: narrow)
    b = around(x, f: linear(out: 4)) as other
    c = around(x, f: heads)
    d = wide(x, f: rmsnorm)
    return unembed(x)
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
