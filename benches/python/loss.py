"""Do both sides compute the same? The peer's own decoder on dlmc's batches, masks, targets and initial weights.

    python benches/python/loss.py --spec specs/bench/byte.dlm --arm mdm

`dlmc export` writes what the steps read, and `dlmc bench` trains on the same. The peer's decoder has q, k and v in one
matrix, and gate and up: they are loaded with ours one above the other. It is trained in fp32 and, under autocast as its
script does, in bf16. How far those two lie apart is what bf16 does to this peer, and dlmc's bf16 losses may lie no
further from the peer's fp32 losses than twice that.
"""
import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F

import common
import dlmc_io

# Two runs in bf16 round at different places, so the distances of both from fp32 are two draws from one spread: the
# larger of two is within twice the other unless something is wrong. Of the mean over all steps.
TIMES_THE_PEERS_OWN = 2.0
# Nats: where bf16 changes the peer by less, that is luck; the losses of single steps are around 3 to 10 nats, and one
# rounding of bf16 is 0.4% of a logit.
AT_LEAST = 2e-3


def load(decoder, weights):
    """Gives the peer's decoder the exported weights."""
    def stacked(layer, *names):
        return torch.cat([weights[f"{layer}.{name}"] for name in names])

    found = {"embed.weight": weights["embed"], "norm.weight": weights["norm"], "head.weight": weights["unembed"]}
    for i in range(len(decoder.blocks)):
        layer, block = f"layer.{i}", f"blocks.{i}"
        found[f"{block}.norm1.weight"] = weights[f"{layer}.attention_norm"]
        found[f"{block}.norm2.weight"] = weights[f"{layer}.ffn_norm"]
        found[f"{block}.q_norm.weight"] = weights[f"{layer}.attention.q_norm"]
        found[f"{block}.k_norm.weight"] = weights[f"{layer}.attention.k_norm"]
        found[f"{block}.qkv.weight"] = stacked(layer, "attention.q", "attention.k", "attention.v")
        found[f"{block}.out.weight"] = weights[f"{layer}.attention.o"]
        found[f"{block}.gate_up.weight"] = stacked(layer, "swiglu.gate", "swiglu.up")
        found[f"{block}.down.weight"] = weights[f"{layer}.swiglu.down"]
    parameters = dict(decoder.named_parameters())
    if parameters.keys() != found.keys():
        sys.exit(f"the peer's decoder has other parameters than are exported: {sorted(parameters.keys() ^ found.keys())}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(found[name].to(parameter.dtype))


def train(peer, shape, meta, weights, batches, bf16):
    """The loss of every exported step."""
    decoder = peer.Decoder(SimpleNamespace(**shape))
    load(decoder, weights)
    options = meta["optimizer"]
    groups = [
        # As the spec has it, norm gains do not decay; the peer's script decays all, which 50 steps hardly show.
        dict(params=[p for p in decoder.parameters() if p.dim() > 1], weight_decay=options["weight_decay"]),
        dict(params=[p for p in decoder.parameters() if p.dim() <= 1], weight_decay=0.0),
    ]
    betas = (options["beta1"], options["beta2"])
    optimizer = torch.optim.AdamW(groups, lr=options["lr"], betas=betas, eps=options["eps"], fused=True)
    causal, live = meta["pattern"] == "causal", meta["live"]
    losses = []
    for step in range(meta["steps"]):
        # Targets stand where they are predicted and weights hold every factor, 0 where nothing is, so next-token
        # prediction needs no shift here. Ids that no text has are left out of the softmax, as the spec's loss says.
        tokens, targets, weight = (batches[name][step] for name in ("tokens", "targets", "weights"))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = decoder(tokens, causal)[..., :live]
        nll = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        loss = (nll * weight.flatten().float()).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), meta["clip"])
        for group in optimizer.param_groups:
            group["lr"] = meta["lr"][step]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def differences(a, b):
    each = [abs(x - y) for x, y in zip(a, b)]
    return dict(mean=sum(each) / len(each), max=max(each))


def compare(dlmc, peer_path, spec, arm, steps, out):
    """Both sides of one arm; a row of the summary."""
    peer = common.load_peer(peer_path)
    folder = out / f"export-{spec.stem}-{arm}"
    if folder.exists():
        shutil.rmtree(folder)
    command = [str(dlmc), "export", str(spec), "--arm", arm, "--to", str(folder), "--steps", str(steps)]
    if code := subprocess.run(command, cwd=common.ROOT, stdout=subprocess.DEVNULL).returncode:
        sys.exit(code)
    ours = common.run([dlmc, "bench", spec, "--arm", arm, "--steps", steps, "--warmup", 0, "--json"])["losses"]
    meta = dlmc_io.read_meta(folder)
    weights = dlmc_io.read_safetensors(folder / "init.safetensors")
    batches = dlmc_io.read_safetensors(folder / "train.safetensors")
    sizes = dict(common.MODEL, vocab=meta["vocab"], seq=meta["seq"], batch=meta["batch"])
    theirs = {}
    for name, bf16 in (("fp32", False), ("bf16", True)):
        common.say(f"{spec.stem} {arm}: {steps} steps of the peer in {name}")
        theirs[name] = train(peer, sizes, meta, weights, batches, bf16)
    shutil.rmtree(folder)
    ours_off, noise = differences(ours, theirs["fp32"]), differences(theirs["bf16"], theirs["fp32"])
    tolerance = max(TIMES_THE_PEERS_OWN * noise["mean"], AT_LEAST)
    # Not `<=` of the opposite, which a NaN would pass.
    return dict(
        spec=spec.stem, arm=arm, steps=steps, live=meta["live"], passed=ours_off["mean"] <= tolerance,
        tolerance=tolerance, from_fp32=ours_off, noise=noise, from_bf16=differences(ours, theirs["bf16"]),
        losses=dict(dlmc=ours, **theirs),
    )


HEADER = ["spec", "arm", "first loss: dlmc", "peer", "last: dlmc", "peer", "dlmc to peer: mean", "max",
          "dlmc to fp32: mean", "max", "peer's bf16 to fp32: mean", "max", "allowed"]


def cells(row):
    ours, theirs = row["losses"]["dlmc"], row["losses"]["bf16"]
    pairs = [x for key in ("from_bf16", "from_fp32", "noise") for x in (row[key]["mean"], row[key]["max"])]
    return [row["spec"], row["arm"], *(f"{x:.4f}" for x in (ours[0], theirs[0], ours[-1], theirs[-1], *pairs, row["tolerance"]))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--spec", type=Path, default=common.ROOT / "specs/bench/byte.dlm")
    p.add_argument("--arm", default="mdm")
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--dlmc", type=Path, default=common.ROOT / "target/release/dlmc")
    p.add_argument("--peer", default=common.PEER)
    p.add_argument("--out", type=Path, default=common.ROOT / "out/bench-peer")
    a = p.parse_args()
    row = compare(a.dlmc, a.peer, a.spec.resolve(), a.arm, a.steps, a.out)
    print(json.dumps(row))
    print(common.table(HEADER, [cells(row)]), file=sys.stderr)
    sys.exit(0 if row["passed"] else 1)


if __name__ == "__main__":
    main()
