"""HellaSwag by likelihood, item by item and option by option, in plain PyTorch: what `tests/tasks.rs` compares with.

    tasks.py META WEIGHTS ITEMS OUT

META names the model as an export's meta.json does, and has `live` and `items` (numbers of the rows to ask).
"""
import gzip
import json
import re
import sys
from pathlib import Path

import torch

from dlmc_io import read_safetensors, write_json
from models import build, load


def clean(text):
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def main(meta, weights, items, out):
    meta = json.loads(Path(meta).read_text())
    model = build(meta)
    load(model, read_safetensors(weights), torch.float64)
    rows = [json.loads(line) for line in gzip.open(items, "rt")]
    found = []
    for number in meta["items"]:
        row = rows[number]
        context = clean(row["ctx"])
        nats, tokens, chars = [], [], []
        for ending in map(clean, row["endings"]):
            whole = list((context + " " + ending).encode())
            n_answer = len(whole) - len(context.encode())
            whole = whole[-meta["seq"] :]
            with torch.no_grad():
                logits = model(torch.tensor([whole]), causal=True)[0, :, : meta["live"]]
            log_p = torch.log_softmax(logits, -1)
            first = len(whole) - n_answer
            nats.append(-sum(log_p[i - 1, whole[i]].item() for i in range(first, len(whole))))
            tokens.append(n_answer)
            chars.append(len(ending))
        right = row["label"]
        best = min(range(len(nats)), key=nats.__getitem__)
        best_norm = min(range(len(nats)), key=lambda i: nats[i] / chars[i])
        by_token = [a / b for a, b in zip(nats, tokens)]
        wrong = [nll for i, nll in enumerate(by_token) if i != right]
        nll_wrong = sum(wrong) / len(wrong)
        found.append(dict(acc=float(best == right), acc_norm=float(best_norm == right), nll_right=by_token[right],
                          nll_wrong=nll_wrong, nll_gap=nll_wrong - by_token[right]))
    write_json(out, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
