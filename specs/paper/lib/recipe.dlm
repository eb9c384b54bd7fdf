//! What the experiments of the paper share: Ni et al., Diffusion Language Models are Super Data Learners
//! (arXiv 2511.03276). Values are those of the released test of its code, which despite its name holds the 1B shape
//! (github.com/JinjieNi/MegaDLMs, tests/release_tests/dlm_pretrain_1.7b_test.sh; below: the released script). What no
//! source states is `assumed`, with the reason; `dlmc plan` lists it all.
//!
//! Two things are known to differ, and no value says so. Megatron makes the two matrices of a layer that write into
//! the residual stream smaller at the start, by the root of twice the layers; here all start normal(0.02). And it reads
//! 2,049 tokens for a sequence of 2,048: its AR arm predicts 2,048 of them, its diffusion arm drops the first and the
//! last and predicts 2,047 without context. Here a sequence is its 2,048 tokens, and `megadlms()` drops the same two:
//! AR predicts 2,047, diffusion 2,046. Every arm is evaluated on x_2..x_L given x_1.
use "../../lib/decoder.dlm" { decoder }

// ---- models -------------------------------------------------------------------------------------------------------

/// Released script; tools/weights_conversion/hf_configs/gpt2_1b_dlm/config.json. 1.086B parameters, 0.996B without the
/// table.
let one_billion = decoder(layers: 26, dim: 1792, heads: 14, ffn: 4736)

/// SDL mega-dlms/examples/dlm_training/dlm_pretrain_1.7b.sh; hf_configs/gptneox_1.7b_dlm/config.json. 1.733B parameters.
let coder_model = decoder(layers: 28, dim: 2048, heads: 16, ffn: 6144, tied: false)

// ---- objectives ---------------------------------------------------------------------------------------------------

/// Released script: running mode difflm-noshift, attention mask no_mask.
objective dlm = megadlms()

objective ar = assumed(
    next_token(),
    "the released script of the AR arm holds the word TBD alone: all but objective and mask as in the diffusion arm",
)

// ---- corpora ------------------------------------------------------------------------------------------------------

/// The tiers are three of the five quality folders in which Nemotron-CC is published, their real pages without the
/// synthetic ones.
let high_tier   = assumed(
    jsonl("{data}/nemotron-cc/quality=high/kind=actual/kind2=actual/*.jsonl.zstd", text: "text"),
    "the script names an extract of Nemotron-CC, not its quality: the 1B x 96 run of the README is its `high` arm",
)
let medium_tier = assumed(
    jsonl("{data}/nemotron-cc/quality=medium/kind=actual/kind2=actual/*.jsonl.zstd", text: "text"),
    "what makes a tier is not published: Nemotron-CC's own folder of this name",
)
let low_tier    = assumed(
    jsonl("{data}/nemotron-cc/quality=low/kind=actual/kind2=actual/*.jsonl.zstd", text: "text"),
    "what makes a tier is not published: Nemotron-CC's own folder of this name",
)

/// GPT-2's ids, an end of document after each document, Megatron's order, validation on C4 (released script).
data web {
    source:       high_tier
    valid_source: jsonl("{data}/c4/en/c4-validation.*.json.gz", text: "text")
    tokenizer:    tokenizer("{data}/gpt2/tokenizer.json", vocab: 50257, eod: "<|endoftext|>")
    vocab:        assumed(50304, "the script says 50,269, which Megatron pads to a multiple of 128")
    seq:          2048
    order:        interleaved
    valid:        assumed(
        10M tokens,
        "the script packs 100M tokens of C4; here a chunk lies in one document, and few documents are so long",
    )
    max_per_document: { valid: assumed(2048 tokens, "one chunk a document: the intervals resample documents") }
}

// ---- training -----------------------------------------------------------------------------------------------------

/// Released script. A peak of 2e-4 falls to 2e-5 over the last tenth, exponentially.
train recipe {
    batch:       256 seqs
    micro_batch: 8 seqs
    optimizer:   adamw(
        lr: 2e-4,
        betas: (0.9, 0.95),
        weight_decay: 0.1,
        eps: assumed(1e-8, "not in the script: Megatron's default"),
    )
    lr_schedule: wsd(warmup: 1000 steps, decay: 10%, floor: 10%)
    clip:        1.0
    precision:   bf16
    checkpoint_every: assumed(3600 steps, "not published: with every evaluation")
}

// ---- evaluation ---------------------------------------------------------------------------------------------------

/// Every 3600 steps (released script), which gives the 51 points of the figures. Both benchmarks are plotted as
/// "Acc norm", MMLU on its validation split.
let measured = {
    every: 3600 steps
    loss:  [valid, train]
    tasks: {
        hellaswag: multiple_choice(
            "{data}/hellaswag/hellaswag_val.jsonl.gz",
            format: hellaswag,
            masks: assumed(128, "not published: LLaDA's number for the same estimator"),
        )
        mmlu:      multiple_choice(
            "{data}/mmlu/mmlu_val.jsonl.gz",
            format: assumed(mmlu_cloze, "not published: 28 to 36% of normalised accuracy are scores of whole answers"),
            masks: assumed(128, "not published: LLaDA's number for the same estimator"),
        )
    }
}

// ---- how near is the same -----------------------------------------------------------------------------------------

/// Shares: half a point to read a figure, a point between seeds, half a point for another implementation.
let points   = 0.02
/// Nats: 0.05 to read a figure, the rest for other chunks of C4 and the exact-count bound in place of one fresh mask.
let nats     = 0.2
