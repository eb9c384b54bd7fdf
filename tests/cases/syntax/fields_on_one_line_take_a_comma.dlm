// error[E0107]: two fields on one line
data python {
    epochs: 40 seq: 128
}
