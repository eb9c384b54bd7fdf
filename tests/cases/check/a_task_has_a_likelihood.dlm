// error[E0339]: blocks end where an answer does not
use "../lib/small.dlm" { small, recipe, ar, keep, tiny }

objective blocks = block_diffusion(schedule: keep, block: 4)

experiment e {
    model: tiny()
    data:  small { seq: 64 }
    train: recipe
    eval:  {
        every: 1 epoch
        loss:  valid
        tasks: { sense: multiple_choice("../../fixtures/tasks/sense.jsonl", format: options) }
    }
    arms:  { ar: { objective: ar }, blocks: { objective: blocks } }
}
