// error[E0501]: no such file of items
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  {
        every: 1 epoch
        loss:  valid
        tasks: { sense: multiple_choice("../../fixtures/tasks/nonsense.jsonl", format: options) }
    }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
