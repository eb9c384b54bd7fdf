// error[E0109]: did you mean `tokens`?
data python {
    unique: 100K tokns
}
