schedule keep(t) = 1 - * t
