// errors: all at once
use "../lib/small.dlm" { smal, ar, tiny }

schedule rising(t) = t
objective mdm = masked_diffusion(schedule: rising, wieght: elbo)

data d {
    source: files("{torch}/*.py")
    tokenizer: bytes
    unique: 4K
    epochs: 4
    seq: 2.5
    valid: 1K tokens
    order: strikt()
}

train t {
    batch: 8 seqs
    micro_batch: 3 seqs
    optimizer: adamw(lr: -1)
    lr_schedule: constant()
}

experiment e {
    model: tiny()
    data:  d
    train: t
    eval:  { every: 1 epoch, loss: valid }
    arms:  {
        ar:  { objective: ar }
        mdm: { objective: mdm, eval.draws: 8 }
    }
    expect: { crossover(loss(valid), of: mdm, under: arr) }
}
