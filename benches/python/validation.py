"""Validation as a user would write it in plain PyTorch, on the rows that dlmc evaluates.

    python benches/python/validation.py --objective mdm --chunks 64 --draws 8 --bf16

Next token: the negative log-likelihood of each chunk. Masked diffusion: the bound with exact counts, `draws` rows a
chunk, the model's answer for all positions of each. bf16 under autocast, no gradients, logits of all positions,
cross-entropy in fp32. The weights are random, which changes no time. Prints one JSON line.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

import common


@torch.no_grad()
def evaluate(model, chunks, a):
    """Nats per target, and the rows that the model read."""
    n = a.seq - 1
    if a.objective == "ar":
        rows, targets, weights = chunks, None, None
    else:
        # Row j of a chunk masks k = floor((u + j) / draws * n) + 1 of the n targets and weighs n / k / draws.
        place = (torch.rand(len(chunks), 1) + torch.arange(a.draws)) / a.draws
        k = ((place * n).long() + 1).clamp(max=n)[..., None]
        masked = torch.rand(len(chunks), a.draws, n).argsort(-1).argsort(-1) < k
        clean = chunks[:, None, :].expand(-1, a.draws, -1)
        noisy = torch.where(masked, a.vocab - 1, clean[..., 1:])
        rows = torch.cat([clean[..., :1], noisy], -1).flatten(0, 1)
        targets, weights = clean[..., 1:].flatten(0, 1), (masked * (n / k / a.draws)).flatten(0, 1)
    total = 0.0
    for first in range(0, len(rows), a.batch):
        part = slice(first, first + a.batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            logits = model(rows[part], a.objective == "ar")
        if a.objective == "ar":
            total += F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), rows[part, 1:].flatten(), reduction="sum").item()
        else:
            nll = F.cross_entropy(logits[:, 1:].flatten(0, 1).float(), targets[part].flatten(), reduction="none")
            total += (nll * weights[part].flatten()).sum().item()
    return total / (len(chunks) * n), len(rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_shape(p, chunks=64, draws=8)
    p.add_argument("--objective", choices=["ar", "mdm"], default="mdm")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--tokens", help="raw uint8 file; random tokens without it")
    p.add_argument("--peer", default=common.PEER)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    model = common.load_peer(a.peer).Decoder(a)
    if a.tokens:
        text = torch.frombuffer(bytearray(open(a.tokens, "rb").read()), dtype=torch.uint8).long()
        chunks = text[: a.chunks * a.seq].view(a.chunks, a.seq)
    else:
        chunks = torch.randint(0, a.vocab - 1, (a.chunks, a.seq))
    model = torch.compile(model) if a.compile else model
    evaluate(model, chunks[: a.batch], a)
    start = time.perf_counter()
    loss, rows = evaluate(model, chunks, a)
    seconds = time.perf_counter() - start
    print(json.dumps(dict(loss=loss, seconds=seconds, rows=rows, tokens=rows * a.seq, tokens_per_s=rows * a.seq / seconds,
                          objective=a.objective, compile=a.compile, bf16=a.bf16)))


if __name__ == "__main__":
    main()
