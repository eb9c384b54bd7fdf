// error[E0205]: the executable has no such file
use "std/decodr.dlm" { decoder }
use "../lib/small.dlm" { small, recipe, ar }

experiment e {
    model: decoder(layers: 1, dim: 16, heads: 2, ffn: 32)
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
