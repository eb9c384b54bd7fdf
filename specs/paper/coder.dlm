//! 1.7B coders on 10B unique tokens of Python for about 1.44T tokens: the first 134 epochs at a constant learning rate,
//! then 10 from there while it falls. Late in that budget the diffusion model overtakes AR (the paper's abstract).
//!
//! The paper measures HumanEval and MBPP, which run the answers; dlmc runs no answers, so the loss on held-out Python
//! stands in, and no figure is published for that. In the README of github.com/JinjieNi/dlms-are-super-data-learners
//! the links of the two coders are exchanged: its line DLM leads to folders that are called `coder_scaling_ar_*`.
use "lib/recipe.dlm" { coder_model, ar, dlm, recipe }

/// Steps of an epoch: 10e9 / 2^22. The second stage starts from step 319,456 (names of the checkpoints), which is 134 of
/// these epochs; with 10 of annealing it makes the 144 in the names of the folders.
let epoch        = 2_384
let first_stage  = 134 * epoch
let second_stage = 10 * epoch

let rows   = assumed(1024, "2^22 tokens a step: then an epoch divides the first step of the second stage")
let length = assumed(
    4096,
    "the HF config allows 4096 positions; the released script says 2048 among other placeholders",
)

/// GPT-NeoX's ids (SDL mega-dlms/examples/dlm_training/dlm_pretrain_1.7b.sh): 50,277 with the mask after them.
data python {
    source:    assumed(jsonl("{data}/python/**/*.jsonl.zst", text: "text"), "the corpus is not named")
    tokenizer: tokenizer("{data}/gpt-neox-20b/tokenizer.json", vocab: 50277, eod: "<|endoftext|>")
    vocab:     assumed(50304, "the script says 50,289, which Megatron pads to a multiple of 128")
    unique:    10B tokens
    seq:       length
    order:     interleaved
    valid:     assumed(10M tokens, "what it was validated on is not published")
    max_per_document: { valid: assumed(4096 tokens, "one chunk a document: the intervals resample documents") }
}

train coder_recipe = recipe {
    batch:     rows * 1 seqs
    optimizer: { lr: assumed(2e-4, "not published for this size: that of the 1B runs") }
    checkpoint_every: assumed(epoch * 1 steps, "not published: with every evaluation")
}

experiment coder_constant {
    cite:   "arXiv:2511.03276"
    model:  coder_model
    data:   python { total: first_stage * rows * length * 1 tokens }
    train:  coder_recipe {
        lr_schedule: constant(
            warmup: assumed(2000 steps, "from the released script, where it stands among placeholders"),
        )
    }
    eval:   { every: assumed(epoch * 1 steps, "not published: once an epoch"), loss: [valid, train] }
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    expect: { crossover(loss(valid), of: dlm, under: ar) }
}

experiment coder_anneal {
    cite:   "arXiv:2511.03276"
    model:  coder_model
    data:   python { total: second_stage * rows * length * 1 tokens }
    train:  coder_recipe {
        start:       checkpoint("coder_constant", step: first_stage)
        lr_schedule: wsd(
            warmup: 0 steps,
            decay: assumed(100%, "that it anneals is all that its name says: exponentially over all of it"),
            floor: assumed(10%, "not published: that of the 1B runs"),
        )
    }
    eval:   { every: assumed(epoch * 1 steps, "not published: once an epoch"), loss: [valid, train] }
    arms:   { ar: { objective: ar }, dlm: { objective: dlm } }
    expect: { final(loss(valid), of: dlm) < final(loss(valid), of: ar) }
}
