// error[E0510]: every malformed row is told with its line
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small { seq: 64, unique: 4K tokens, valid: 1K tokens }
    train: recipe
    eval:  {
        every: 1 epoch
        loss:  valid
        tasks: { piqa: multiple_choice("../../fixtures/tasks/malformed.jsonl", format: piqa) }
    }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
