// errors: checkpoints that are kept are the last few, all, or named by their steps
use "../lib/small.dlm" { recipe, ar, small, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        a: { train.checkpoint_keep: none }
        b: { train.checkpoint_keep: last(0) }
        c: { train.checkpoint_keep: [9_000_000 steps] }
        e: { train.checkpoint_keep: [100] }
        f: { train.checkpoint_keep: last }
        g: { train.checkpoint_keep: first(2) }
    }
    objective: ar
}
