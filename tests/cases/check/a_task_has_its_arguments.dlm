// errors: unknown formats, shots without examples, examples without shots
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    objective: ar
    eval:  { every: 1 epoch, loss: valid }
    arms:  {
        a: { eval.tasks: { one: multiple_choice("x.jsonl", format: helaswag) } }
        b: { eval.tasks: { one: multiple_choice(format: arc) } }
        c: { eval.tasks: { one: multiple_choice("x.jsonl", format: mmlu_letters, shots: 5) } }
        d: { eval.tasks: { one: multiple_choice("x.jsonl", format: mmlu_cloze, shots_from: "dev.jsonl") } }
        e: { eval.tasks: { one: multiple_choice("x.jsonl", format: piqa, masks: 0, limit: 0) } }
        f: { eval.tasks: { one: generation("x.jsonl") } }
        g: { eval.tasks: 3 }
    }
}
