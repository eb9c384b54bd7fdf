// passes: a checkpoint of another experiment, with or without its moments; which checkpoints stay
use "../lib/small.dlm" { recipe, ar, small, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe { checkpoint_keep: [40 steps, 20 steps] }
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        kept:  { train.start: checkpoint("first_stage", step: 40 steps) }
        reset: { train.start: checkpoint("first_stage", optimizer: reset) }
    }
    objective: ar
}
