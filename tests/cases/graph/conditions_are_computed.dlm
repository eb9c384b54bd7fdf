// passes: each of these holds
use "../lib/small.dlm" { small, recipe, ar }

block holds(x: [B, T, D], n: int, on: bool = true) -> [B, T, D] {
    require on and not (n != 6) or false
    require n % 4 == 2 and -n % 4 == 2 and n % 4 < 3
    require n in [1, 2 * 3] and n in 1..6 and not n in 7..9
    require max(n, 8) >= 8 and n / 4 > 1 and n / 4 <= 1.5
    require none == none and n != none, "none is only none"
    require (if on { n } else { n / 0 }) == 6
    return x
}

model m() {
    x = embed(tokens, 16)
    repeat 3 as i {
        // Where the left side decides, the right one need not have a value.
        require i == 0 or 6 / i >= 3
        if i > 0 and 6 / i > 4 { x = -x }
    }
    return unembed(holds(x, n: 6))
}

experiment e {
    model: m()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
