use "circle_a.dlm" { a }
schedule b(t) = 1 - t
