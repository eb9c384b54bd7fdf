// error[E0108]: too large
train recipe {
    clip: 1e999
}
