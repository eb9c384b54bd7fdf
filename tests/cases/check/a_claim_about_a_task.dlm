// passes: scores of a task that is measured, and the loss on a named corpus
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { seq: 64, valid: 2K tokens }
    train: recipe
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
    eval:  {
        every:   25%
        loss:    [valid, other]
        corpora: { other: { source: files("{torch}/part0*.py"), tokens: 512 tokens } }
        tasks:   { sense: multiple_choice("../../fixtures/tasks/sense.jsonl", format: options, limit: 5, masks: 8) }
    }
    expect: {
        final(sense.acc_norm, of: ar) >= final(sense.acc_norm, of: mdm)
        final(loss(other), of: ar) < final(loss(other), of: mdm)
    }
}
