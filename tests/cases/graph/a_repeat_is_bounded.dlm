// error[E0408]: a billion layers
use "std/decoder.dlm" { decoder }
use "../lib/small.dlm" { small, recipe, ar }

experiment e {
    model: decoder(layers: 1_000_000_000, dim: 64, heads: 4, ffn: 128)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
