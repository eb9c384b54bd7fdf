//! nanoGPT's GPT-2 124M (github.com/karpathy/nanoGPT, model.py and train.py) when unique data is scarce.
//!
//! train.py's defaults: bias = False, dropout = 0.0, vocab 50304, block 1024, AdamW. The text is bytes, and a chunk of
//! 1024 tokens has 1023 targets where nanoGPT's has 1024. Parameters:
//!   token table, tied to the head    50304 * 768                                   38,633,472
//!   position table                    1024 * 768                                      786,432
//!   a layer                           768 * 2304 + 768 * 768 + 2 * 768 * 3072 + 2 * 768   7,079,424, times 12
//!   the last norm                                                                         768
//!   together                                                                      124,373,760

schedule keep(t) = 1 - t

objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep)

/// One matrix for queries, keys and values, as `c_attn`; `depth` scales the projection back into the residual stream.
block attention(x: [B, T, D], heads: int, depth: int) -> [B, T, D] {
    require D % heads == 0, "heads have to divide the width"
    (q, k, v) = chunk(linear(x, 3 * D, init: normal(0.02)) as c_attn, 3)
    y = attend(split_heads(q, heads), split_heads(k, heads), split_heads(v, heads))
    return linear(merge_heads(y), D, init: normal(0.02 / sqrt(2 * depth))) as c_proj
}

block mlp(x: [B, T, D], depth: int) -> [B, T, D] {
    return linear(gelu(linear(x, 4 * D, init: normal(0.02)) as c_fc), D, init: normal(0.02 / sqrt(2 * depth))) as c_proj
}

model gpt2(layers: int = 12, heads: int = 12, dim: int = 768) {
    x = embed(tokens, dim, init: normal(0.02)) as wte + embed(positions, dim, init: normal(0.02)) as wpe
    repeat layers as h {
        x = x + attention(layernorm(x, eps: 1e-5) as ln_1, heads: heads, depth: layers) as attn
        x = x + mlp(layernorm(x, eps: 1e-5) as ln_2, depth: layers)
    }
    return unembed(layernorm(x, eps: 1e-5) as ln_f, tied: true)
}

data python {
    source:    files("{torch}/**/*.py")
    tokenizer: bytes
    vocab:     50304
    seq:       1024
    unique:    64K tokens
    total:     1M tokens
    valid:     64K tokens
    max_per_document: { unique: 8K tokens, valid: 1024 tokens }
    order:     strict(boundaries: fixed)
}

experiment nanogpt {
    model:  gpt2()
    data:   python
    train:  {
        batch:       8 seqs
        optimizer:   adamw(lr: 6e-4, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 5%, decay: 10%, floor: 10%)
        clip:        1.0
        precision:   bf16
    }
    eval:   { every: 10%, loss: valid }
    arms:   { ar: { objective: ar }, mdm: { objective: mdm } }
    sweep:  { data.unique: [32K, 64K, 256K] tokens }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross at data.unique == 32K tokens
        no cross at data.unique == 256K tokens
        increasing(best(loss(valid), of: ar), along: data.unique)
    }
}
