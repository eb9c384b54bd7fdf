use "circle_b.dlm" { b }
schedule a(t) = 1 - t
