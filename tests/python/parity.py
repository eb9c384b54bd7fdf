"""PyTorch's side of `tests/parity.rs`: loss and gradients of one batch, and 50 optimizer steps.

    python tests/python/parity.py CASE [--batches 8] [--steps 50]

CASE holds `meta.json`, `init.safetensors` and `train.safetensors` of an export. Into it go
`grads_{f64,f32}_x{1,10}.safetensors` (gradients by path, stacked over the first batches, with all
parameters, norm gains included, times 1 and 10), `result.json` (losses, gradient norms before clipping)
and, with `--steps`, `final_f64.safetensors` (the weights after that many updates in f64).
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
    parser.add_argument("--batches", type=int, default=1)
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
            losses, grads = [], {path: [] for path in twin.parameters}
            for index in range(args.batches):
                twin.optimizer.zero_grad(set_to_none=True)
                loss = twin.loss(*batch(index))
                loss.backward()
                losses.append(loss.item())
                for path, parameter in twin.parameters.items():
                    grads[path].append(parameter.grad)
            name = f"{dtype_name}_x{scale}"
            result["loss"][name] = losses
            stacked = {path: torch.stack(all_batches) for path, all_batches in grads.items()}
            dlmc_io.write_safetensors(args.case / f"grads_{name}.safetensors", stacked)
    if args.steps:
        twin = Twin(meta, weights, torch.float64)
        result["train_loss"] = [twin.step(index, *batch(index)) for index in range(args.steps)]
        result["grad_norm"] = twin.grad_norms
        dlmc_io.write_safetensors(args.case / "final_f64.safetensors", twin.parameters)
    dlmc_io.write_json(args.case / "result.json", result)


if __name__ == "__main__":
    main()
