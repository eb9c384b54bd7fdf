"""The two models of the comparisons in plain PyTorch, as one would write them without dlmc.

Nothing here is derived from dlmc's formulas: norms, attention, activations and losses are
`torch.nn.functional`'s. `parameters_by_path` says which module parameter a dlmc path means.

Shapes: B batch, T positions, C width, H heads, V vocabulary.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


def rope_tables(n_positions, head_dim, base=10_000.0):
    """cos and sin [T, head_dim / 2] in f64, rounded only where they are used."""
    inverse = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle = torch.outer(torch.arange(n_positions, dtype=torch.float64), inverse)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Halves against each other, as in GPT-NeoX and Llama."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class RMSNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        # Under autocast x can be bf16 while the gain is fp32; norms are computed in the wider one.
        return F.rms_norm(x.to(self.weight.dtype), self.weight.shape, self.weight, self.eps)


class DecoderAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.q_norm, self.k_norm = RMSNorm(dim // heads), RMSNorm(dim // heads)

    def forward(self, x, cos, sin, causal, sees):
        def split(y):
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        q, k = rotate(self.q_norm(q), cos, sin), rotate(self.k_norm(k), cos, sin)
        y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, attn_mask=sees, is_causal=causal)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, dim, heads, ffn):
        super().__init__()
        self.input_norm, self.post_norm = RMSNorm(dim), RMSNorm(dim)
        self.attention, self.mlp = DecoderAttention(dim, heads), SwiGLU(dim, ffn)

    def forward(self, x, cos, sin, causal, sees):
        x = x + self.attention(self.input_norm(x), cos, sin, causal, sees)
        return x + self.mlp(self.post_norm(x))


class Decoder(nn.Module):
    """Pre-norm, RMSNorm, RoPE, QK-norm, SwiGLU, no biases: `specs/lib/decoder.dlm`."""

    def __init__(self, vocab, seq, layers, dim, heads, ffn, tied=True):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, ffn) for _ in range(layers))
        self.final_norm = RMSNorm(dim)
        self.lm_head = nn.Linear(dim, vocab, bias=False)
        if tied:
            self.lm_head.weight = self.embedding.weight
        # Plain attributes: `module.float()` must not round the f64 tables.
        self.cos, self.sin = rope_tables(seq, dim // heads)

    def embed(self, tokens, t):
        return self.embedding(tokens)

    def forward(self, tokens, causal=False, sees=None, positions=None, t=None):
        """`sees`: who may attend to whom, where that is neither causal nor all to all; `positions`: where they are
        not 0, 1, 2, ...; `t`: the noise level of each sequence, for models that read it."""
        x = self.embed(tokens, t)
        positions = slice(tokens.shape[1]) if positions is None else positions
        for layer in self.layers:
            x = layer(x, self.cos[positions], self.sin[positions], causal, sees)
        return self.lm_head(self.final_norm(x))

    PATHS = {
        "embedding.weight": "embed",
        "final_norm.weight": "norm",
        "lm_head.weight": "unembed",
        "input_norm.weight": "attention_norm",
        "post_norm.weight": "ffn_norm",
        "attention.q_proj.weight": "attention.q",
        "attention.k_proj.weight": "attention.k",
        "attention.v_proj.weight": "attention.v",
        "attention.o_proj.weight": "attention.o",
        "attention.q_norm.weight": "attention.q_norm",
        "attention.k_norm.weight": "attention.k_norm",
        "mlp.gate_proj.weight": "swiglu.gate",
        "mlp.up_proj.weight": "swiglu.up",
        "mlp.down_proj.weight": "swiglu.down",
    }


class Timed(Decoder):
    """The decoder told the noise level: two layers on cosines and sines of it, added to every embedding."""

    FEATURES = 32

    def __init__(self, vocab, seq, layers, dim, heads, ffn):
        super().__init__(vocab, seq, layers, dim, heads, ffn)
        self.first = nn.Linear(self.FEATURES, dim, bias=False)
        self.second = nn.Linear(dim, dim, bias=False)

    def embed(self, tokens, t):
        half = self.FEATURES // 2
        angle = 1_000 * t.double()[:, None] * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        features = torch.cat([angle.cos(), angle.sin()], -1).to(self.first.weight.dtype)
        return self.embedding(tokens) + self.second(F.silu(self.first(features)))[:, None]

    PATHS = Decoder.PATHS | {"first.weight": "first", "second.weight": "second"}


class GPTAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def forward(self, x, causal):
        b, t, c = x.shape
        q, k, v = (
            proj(x).view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))


class GPTBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(dim, eps=1e-5, bias=False), nn.LayerNorm(dim, eps=1e-5, bias=False)
        self.attn = GPTAttention(dim, heads)
        self.c_fc, self.c_proj = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x, causal):
        x = x + self.attn(self.ln_1(x), causal)
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    """nanoGPT's model with `bias=False` and no dropout: `specs/lib/gpt.dlm`."""

    def __init__(self, vocab, seq, layers, dim, heads):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, dim), nn.Embedding(seq, dim)
        self.h = nn.ModuleList(GPTBlock(dim, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(dim, eps=1e-5, bias=False)
        self.lm_head = nn.Linear(dim, vocab, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens, causal):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.h:
            x = block(x, causal)
        return self.lm_head(self.ln_f(x))

    PATHS = {
        "wte.weight": "wte",
        "wpe.weight": "wpe",
        "ln_f.weight": "ln_f",
        "ln_1.weight": "ln_1",
        "ln_2.weight": "ln_2",
        "attn.q_proj.weight": "attn.q",
        "attn.k_proj.weight": "attn.k",
        "attn.v_proj.weight": "attn.v",
        "attn.c_proj.weight": "attn.c_proj",
        "c_fc.weight": "mlp.c_fc",
        "c_proj.weight": "mlp.c_proj",
    }


MODELS = {"decoder": Decoder, "gpt": GPT, "timed": Timed}


def build(meta):
    """The model that `meta.json` names, with PyTorch's own initial weights; see `load`."""
    # `graph` is the hash of dlmc's model graph, no argument.
    args = {name: parse(text) for name, text in meta["model"]["args"].items() if name != "graph"}
    return MODELS[meta["model"]["name"]](vocab=meta["vocab"], seq=meta["seq"], **args)


def parse(text):
    if text in ("true", "false"):
        return text == "true"
    return int(str(text).replace("_", ""))


def parameters_by_path(model):
    """dlmc's path of every parameter. A shared parameter is listed once."""
    out = {}
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        prefix = ""
        if parts[0] in ("layers", "h"):
            prefix, parts = f"layer.{parts[1]}.", parts[2:]
        out[prefix + model.PATHS[".".join(parts)]] = parameter
    return out


def load(model, weights, dtype):
    """Gives every parameter its exported weights in `dtype`. Both sides have to have the same ones."""
    model.to(dtype)
    parameters = parameters_by_path(model)
    if parameters.keys() != weights.keys():
        raise SystemExit(
            f"parameters differ: only here {sorted(parameters.keys() - weights.keys())}, "
            f"only exported {sorted(weights.keys() - parameters.keys())}"
        )
    with torch.no_grad():
        for path, parameter in parameters.items():
            if parameter.shape != weights[path].shape:
                raise SystemExit(f"{path} is {tuple(parameter.shape)} here and {tuple(weights[path].shape)} exported")
            parameter.copy_(weights[path])
    return parameters


def nll(model, tokens, targets, live, causal):
    """Cross-entropy [B, T] in nats, not under autocast. Ids from `live` on cannot be predicted."""
    logits = model(tokens, causal)[..., :live]
    if logits.dtype == torch.bfloat16:
        logits = logits.float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
