// errors: unknown, doubled, missing
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    expect: {
        crossover(loss(valid), of: mdm, undr: ar)
        crossover(loss(valid), of: mdm, of: ar, under: ar)
        gap(loss(valid), of: ar) > 0
        final(of: ar) < 2
        final(loss(valid), ar) < 2
        published(2) < final(loss(valid), of: ar)
        best(loss(valid), of: ar, each: 3) < 2
        best(loss(valid), of: 3) < 2
        published(2, 3) < final(loss(valid), of: ar)
        final(loss(valid), of: ar) as x < 2
    }
}
