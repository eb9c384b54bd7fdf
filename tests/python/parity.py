"""PyTorch's side of `tests/parity.rs`: loss and gradients of one batch, and 50 optimizer steps.

    python tests/python/parity.py CASE [--steps 50]

CASE holds `meta.json`, `init.safetensors` and `train.safetensors` of an export. Into it go
`grads_{f64,f32}_x{1,10}.safetensors` (gradients of the first batch by path, with all parameters, norm
gains included, times 1 and 10), `result.json` (losses and how many steps were clipped) and, with
`--steps`, `final_f64.safetensors` (the weights after that many updates in f64).
"""
import argparse
from pathlib import Path

import torch

import dlmc_io
from twin import Twin

DTYPES = {"f64": torch.float64, "f32": torch.float32}
SCALES = (1, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--steps", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)  # small tensors; tests run beside each other
    meta = dlmc_io.read_meta(args.case)
    weights = dlmc_io.read_safetensors(args.case / "init.safetensors")
    batches = dlmc_io.read_safetensors(args.case / "train.safetensors")

    def batch(index):
        return [batches[name][index] for name in ("tokens", "targets", "weights")]

    result = dict(loss={}, torch=torch.__version__)
    for dtype_name, dtype in DTYPES.items():
        for scale in SCALES:
            # In the weights' own precision, as the other side does it.
            twin = Twin(meta, {path: (w.to(dtype) * scale) for path, w in weights.items()}, dtype)
            loss = twin.loss(*batch(0))
            loss.backward()
            name = f"{dtype_name}_x{scale}"
            result["loss"][name] = loss.item()
            grads = {path: p.grad for path, p in twin.parameters.items()}
            dlmc_io.write_safetensors(args.case / f"grads_{name}.safetensors", grads)
    if args.steps:
        twin = Twin(meta, weights, torch.float64)
        result["train_loss"] = [twin.step(index, *batch(index)) for index in range(args.steps)]
        result["n_clipped"] = twin.n_clipped
        dlmc_io.write_safetensors(args.case / "final_f64.safetensors", twin.parameters)
    dlmc_io.write_json(args.case / "result.json", result)


if __name__ == "__main__":
    main()
