// error[E0510]: an answer of 24 tokens in sequences of 16
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  {
        every: 1 epoch
        loss:  valid
        tasks: { sense: multiple_choice("../../fixtures/tasks/sense.jsonl", format: options, masks: 8) }
    }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
