// error[E0106]: never closed
experiment e {
    train: {
        clip: 1.0
    eval: { loss: valid }
}
