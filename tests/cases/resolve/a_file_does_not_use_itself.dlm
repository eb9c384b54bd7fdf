// error[E0204]: the shortest circle
use "a_file_does_not_use_itself.dlm" { a }

schedule a(t) = 1 - t
