// warning[W0501]: DLMC_DATA is not set, and all but `run` goes on
use "../lib/small.dlm" { recipe, ar, tiny }

data d {
    source: megatron("{data}/web/gpt2_text_document")
    valid_source: jsonl("{data}/c4/*.jsonl.gz", text: "text")
    tokenizer: tokenizer("{data}/gpt2/tokenizer.json", vocab: 50257, eod: "<|endoftext|>")
    order: interleaved
    vocab: 50304
    unique: 4K tokens
    epochs: 4
    seq: 16
    valid: 1K tokens
}

experiment e {
    model: tiny()
    data:  d
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
