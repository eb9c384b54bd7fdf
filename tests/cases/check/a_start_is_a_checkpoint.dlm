// errors: a start that is no checkpoint, without a source, with steps and moments that are none
use "../lib/small.dlm" { recipe, ar, small, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        a: { train.start: "first_stage" }
        b: { train.start: checkpoint(step: 40 steps) }
        c: { train.start: checkpoint(first_stage, step: 2 epochs, optimizer: half) }
        e: { train.start: checkpoint("first_stage", at: 3) }
        f: { train.start: snapshot("first_stage") }
    }
    objective: ar
}
