// error[E0106]: a binding takes `=`
block twice(x: [B, T, D]) {
    y: x + x
    return y
}
