// passes: choices by both indices, lists of the outer one, values of an earlier one
use "../lib/small.dlm" { small, recipe, ar }

model m() {
    x = embed(tokens, 16)
    repeat 3 as a {
        repeat 4 as b {
            if b == a { x = x + linear(x, 16) as diagonal } else if a % 2 == 0 and b == 0 { x = -x }
            collect inner = x
        }
        if a == 0 { first = pick(inner, 3) } else { x = x + first * (a + 1) }
        repeat a + 1 as c {
            first = first + linear(pick(inner, 3 - a), 16) as late
        }
        collect outer = pick(inner, a)
    }
    repeat 2 as d {
        repeat 3 as e {
            x = x + pick(outer, e) * pick(outer, d) + pick(outer, (d + e) % 3)
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
