// errors: names that are taken, corpora that are not measured, no source, no text
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    objective: ar
    eval:  { every: 1 epoch, loss: valid }
    arms:  {
        taken:  { eval.corpora: { train: { source: files("a.txt"), tokens: 1K tokens } } }
        unused: { eval.corpora: { c4: { source: files("a.txt"), tokens: 1K tokens } } }
        bare:   { eval: { loss: [valid, c4], corpora: { c4: { tokens: 1K tokens } } } }
        random: { eval: { loss: [valid, c4], corpora: { c4: { source: random(vocab: 9), tokens: 1K tokens } } } }
        ids:    { eval: { loss: [valid, c4], corpora: { c4: { source: tokens("a.bin", u16), tokens: 1K tokens } } } }
    }
}
