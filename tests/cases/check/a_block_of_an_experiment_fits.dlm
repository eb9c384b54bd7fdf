// errors: as a block of a block would have to
use "../lib/small.dlm" { small, recipe, ar }

block own(x: [B, T, D], n: int) -> [B, T, D] {
    return linear(x, D) * n
}

model m(
    a: block([B, T, D]) -> [B, T, D],
    b: block([B, T, D]) -> [B, T, D],
    c: block([B, T, D]) -> [B, T, D],
    d: block([B, T, D]) -> [B, T, D],
    e: block([B, T, D]) -> [B, T, D],
    f: block([B, T, D]) -> [B, T, D],
) {
    return unembed(a(b(c(d(e(f(embed(tokens, 16))))))))
}

experiment e {
    model: m(a: own, b: 3, c: onw(n: 1), d: own(n: 1.5), e: attend, f: own(3))
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
