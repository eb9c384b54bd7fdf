"""Sampling as a user would write it in plain PyTorch.

    python benches/python/sampling.py --objective ar --cache --count 8 --length 128 --bf16

Next token: the whole text through the model for each token, or with --cache only the new one, whose keys and values are
appended to those before with torch.cat. Masked diffusion: the whole text for each of --decode-steps, and the places whose
drawn token is likeliest become final, as many at each step. --count texts are drawn together. The weights are random,
which changes no time. Prints one JSON line.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

import common


def with_cache(peer, model, tokens, at, cache):
    """The peer's decoder on new positions `at`, ...; `cache` holds keys and values of each block."""
    x = model.embed(tokens)
    places = slice(at, at + tokens.shape[1])
    cos, sin = model.cos[places].to(x.dtype), model.sin[places].to(x.dtype)
    for i, block in enumerate(model.blocks):
        b, s, d = x.shape
        q, k, v = block.qkv(block.norm1(x)).view(b, s, 3, block.heads, block.head_dim).permute(2, 0, 3, 1, 4)
        q, k = peer.rotate(block.q_norm(q), cos, sin), peer.rotate(block.k_norm(k), cos, sin)
        if cache[i] is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        cache[i] = (k, v)
        y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        x = x + block.out(y.transpose(1, 2).reshape(b, s, d))
        gate, up = block.gate_up(block.norm2(x)).chunk(2, -1)
        x = x + block.down(F.silu(gate) * up)
    return model.head(model.norm(x))


def drawn(logits):
    """A token for each place, and its probability."""
    chances = logits.float().softmax(-1)
    tokens = torch.multinomial(chances.flatten(0, -2), 1).view(chances.shape[:-1])
    return tokens, chances.gather(-1, tokens[..., None])[..., 0]


def next_token(peer, model, a):
    text = torch.zeros(a.count, 1, dtype=torch.long)
    cache = [None] * a.layers
    for at in range(a.length):
        logits = with_cache(peer, model, text[:, -1:], at, cache) if a.cache else model_of(peer, model, text, True)
        text = torch.cat([text, drawn(logits[:, -1])[0][:, None]], 1)
    return text


def model_of(peer, model, text, causal):
    """The peer's forward pass for texts shorter than its tables."""
    x = model.embed(text)
    cos, sin = model.cos[: text.shape[1]].to(x.dtype), model.sin[: text.shape[1]].to(x.dtype)
    for block in model.blocks:
        x = block(x, cos, sin, causal)
    return model.head(model.norm(x))


def masked(peer, model, a):
    mask = a.vocab - 1
    text = torch.full((a.count, a.length + 1), mask)
    text[:, 0] = 0
    for step in range(a.decode_steps):
        logits = model_of(peer, model, text, False)
        logits[..., mask] = float("-inf")
        tokens, chances = drawn(logits)
        open_ = text == mask
        n_open = int(open_[0].sum())
        n_now = n_open - n_open * (a.decode_steps - step - 1) // (a.decode_steps - step)
        places = chances.masked_fill(~open_, -1.0).topk(n_now, dim=1).indices
        text = text.scatter(1, places, tokens.gather(1, places))
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_shape(p, count=8, length=128)
    p.add_argument("--decode-steps", type=int, default=64, help="of masked diffusion")
    p.add_argument("--objective", choices=["ar", "mdm"], default="mdm")
    p.add_argument("--cache", action="store_true", help="keep keys and values (next token)")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--repeats", type=int, default=3, help="the median of these is printed")
    p.add_argument("--peer", default=common.PEER)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    peer = common.load_peer(a.peer)
    model = peer.Decoder(a)
    draw = next_token if a.objective == "ar" else masked
    seconds = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
        for _ in range(a.repeats + 1):
            start = time.perf_counter()
            draw(peer, model, a)
            seconds.append(time.perf_counter() - start)
    median = common.median(seconds[1:])
    print(json.dumps(dict(seconds=median, tokens=a.count * a.length, tokens_per_s=a.count * a.length / median,
                          objective=a.objective, cache=a.cache, bf16=a.bf16)))


if __name__ == "__main__":
    main()
