// passes: no layers
use "std/decoder.dlm" { decoder }
use "../lib/small.dlm" { small, recipe, ar }

experiment e {
    model: decoder(layers: 0, dim: 64, heads: 4, ffn: 128)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
