// errors: what a step may hold is a number of bytes
use "../lib/small.dlm" { recipe, ar, small, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms: {
        a: { train.memory: 80 }
        b: { train.memory: 80 tokens }
        c: { train.memory: 0 GB }
        d: { train.memory: all }
        e: { train.memory: none }
        f: { train.memory: 1.3 GB }
    }
    objective: ar
}
