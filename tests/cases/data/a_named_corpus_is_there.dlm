// error[E0501]: no such files
use "../lib/small.dlm" { small, recipe, ar, mdm, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  {
        every:   1 epoch
        loss:    [valid, other]
        corpora: { other: { source: files("nowhere/*.txt"), tokens: 512 tokens } }
    }
    arms:  { ar: { objective: ar }, mdm: { objective: mdm } }
}
