// error[E0304]: two and a half layers
use "std/decoder.dlm" { decoder }
use "../lib/small.dlm" { small, recipe, ar }

experiment e {
    model: decoder(layers: 2.5, dim: 64, heads: 4, ffn: 512 / 3)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
