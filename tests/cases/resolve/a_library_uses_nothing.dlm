// passes: a file without an experiment is a library
schedule slow(t) = 1 - t^2
