// warning[W0501]: DLMC_DATA is not set
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  {
        every:   1 epoch
        loss:    [valid, train, c4]
        corpora: { c4: { source: jsonl("{data}/c4/*.json.gz", text: "text"), tokens: 4K tokens } }
        tasks:   { hellaswag: multiple_choice("{data}/hellaswag.jsonl.gz", format: hellaswag, limit: 1000) }
    }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
