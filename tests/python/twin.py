"""Trains the PyTorch twin of a dlmc run: the same initial weights, batches, corruption, learning rates
and validation rows, everything else plain PyTorch.

    dlmc export specs/quickstart.dlm --arm ar --to out/export
    python tests/python/twin.py out/export

Writes `curve.json` beside the export: [{"step": updates done, "loss": validation loss in nats}].
"""
import argparse
import contextlib
import time
from pathlib import Path

import torch

import dlmc_io
import models

EVAL_ROWS = 32


class Twin:
    """A model and its optimizer on an export folder."""

    def __init__(self, meta, weights, dtype, autocast=False):
        self.meta = meta
        self.causal = meta["pattern"] == "causal"
        self.model = models.build(meta)
        self.parameters = models.load(self.model, weights, dtype)
        self.autocast = autocast
        options = meta["optimizer"]
        decays = {entry["path"]: entry["decays"] for entry in meta["params"]}
        groups = [
            dict(params=[p for path, p in self.parameters.items() if decays[path]], weight_decay=options["weight_decay"]),
            dict(params=[p for path, p in self.parameters.items() if not decays[path]], weight_decay=0.0),
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=meta["lr"][0],
            betas=(options["beta1"], options["beta2"]),
            eps=options["eps"],
        )
        self.grad_norms = []  # before clipping

    def nll(self, tokens, targets):
        context = torch.autocast("cpu", torch.bfloat16) if self.autocast else contextlib.nullcontext()
        with context:
            return models.nll(self.model, tokens, targets, self.meta["live"], self.causal)

    def loss(self, tokens, targets, weights):
        nll = self.nll(tokens, targets)
        return (weights.to(nll.dtype) * nll).sum()

    def step(self, index, tokens, targets, weights):
        """Update number `index` (from 0). Returns the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.meta["lr"][index]
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(tokens, targets, weights)
        loss.backward()
        if self.meta["clip"] is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.meta["clip"])
            self.grad_norms.append(norm.item())
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, valid):
        """Sum of weighted losses over all validation rows, by the number of targets."""
        total = 0.0
        for first in range(0, len(valid["tokens"]), EVAL_ROWS):
            rows = slice(first, first + EVAL_ROWS)
            nll = self.nll(valid["tokens"][rows], valid["targets"][rows])
            total += (nll.double() * valid["weights"][rows]).sum().item()
        return total / valid["document_targets"].sum().item()


def train(folder, threads=None, log=print):
    """Trains and evaluates; returns the curve."""
    folder = Path(folder)
    if threads:
        torch.set_num_threads(threads)
    meta = dlmc_io.read_meta(folder)
    if meta.get("ema") is not None:
        raise SystemExit("the twin has no averaged weights: set train.ema=none on both sides")
    weights = dlmc_io.read_safetensors(folder / "init.safetensors")
    batches = dlmc_io.read_safetensors(folder / "train.safetensors")
    valid = dlmc_io.read_safetensors(folder / "valid.safetensors")
    dtype = torch.float64 if meta["precision"] == "fp64" else torch.float32
    twin = Twin(meta, weights, dtype, autocast=meta["precision"] == "bf16")
    curve = []
    eval_at = set(meta["eval_at"])
    start, loss = time.monotonic(), float("nan")
    if 0 in eval_at:
        curve.append(dict(step=0, loss=twin.evaluate(valid)))
    for index in range(meta["steps"]):
        loss = twin.step(index, *(batches[name][index] for name in ("tokens", "targets", "weights")))
        done = index + 1
        if done in eval_at:
            curve.append(dict(step=done, loss=twin.evaluate(valid)))
            log(
                f"{meta['experiment']} {meta['arm']}: step {done} of {meta['steps']}, train {loss:.4f}, "
                f"valid {curve[-1]['loss']:.4f}, {time.monotonic() - start:.0f} s"
            )
    dlmc_io.write_json(folder / "curve.json", curve)
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    args = parser.parse_args()
    train(args.export, args.threads, log=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
