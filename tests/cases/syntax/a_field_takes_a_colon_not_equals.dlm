// error[E0106]: a field takes `:`
train recipe {
    batch = 32 seqs
}
