// error[E0204]: a -> b -> a
use "../lib/circle_a.dlm" { a }

objective x = masked_diffusion(schedule: a)
