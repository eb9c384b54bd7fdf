// error[E0402]: 6 heads do not divide 128
use "std/decoder.dlm" { decoder }
use "../lib/small.dlm" { small, recipe, ar }

experiment e {
    model: decoder(layers: 4, dim: 128, heads: 6, ffn: 344)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
