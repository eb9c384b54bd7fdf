// error[E0106]: expected `:`
train recipe {
    batch 32 seqs
    clip: 1.0
}
