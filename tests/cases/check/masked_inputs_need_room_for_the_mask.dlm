// error[E0303]: the mask of noisy inputs is an id too
use "../lib/small.dlm" { small, recipe, tiny }

objective o = next_token(input_mask: 30%)

experiment e {
    model: tiny()
    data:  small { vocab: 257 }
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: o } }
}
