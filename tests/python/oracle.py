"""PyTorch's side of `tests/objectives.rs`: noise, loss and gradients of one batch, 500 steps, and the bound.

    python tests/python/oracle.py CASE [--steps 500] [--draws 32]

CASE holds `case.json` (objective, its options, model, optimizer), `init.safetensors` (weights by dlmc's paths),
`clean.safetensors` (`train` [S, B, L] and `valid` [N, L]). Into it go `noise.safetensors` (what this side drew for
each step), `grads_{f64,f32}.safetensors` (of the first batch) and `result.json`: the losses of the first batch and
of every step, the last bound in nats per target with its standard error over rows.
"""
import argparse
from pathlib import Path

import torch

import dlmc_io
import models
import objectives

ROWS = 32


def network(model, live):
    def net(tokens, sees, positions, t):
        return model(tokens, sees=sees, positions=positions, t=t)[..., :live]

    return net


def first_batch(case, weights, objective, clean, noise, dtype):
    """Loss and gradients in one precision."""
    model = models.build(case)
    parameters = models.load(model, weights, dtype)
    loss = objective.loss(network(model, case["live"]), clean, noise)
    loss.backward()
    return loss.item(), {path: p.grad for path, p in parameters.items()}


def train(case, weights, objective, clean, noise):
    """AdamW in fp32 on the given batches and noise. Gives the model and the loss before each step."""
    model = models.build(case)
    models.load(model, weights, torch.float32)
    options = case["optimizer"]
    groups = [
        dict(params=[p for p in model.parameters() if p.dim() >= 2], weight_decay=options["weight_decay"]),
        dict(params=[p for p in model.parameters() if p.dim() < 2], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(options["beta1"], options["beta2"]), eps=options["eps"])
    net, losses = network(model, case["live"]), []
    for index, lr in enumerate(case["lr"]):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        loss = objective.loss(net, clean[index], {name: all_steps[index] for name, all_steps in noise.items()})
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), case["clip"])
        optimizer.step()
        losses.append(loss.item())
    return model, losses


@torch.no_grad()
def evaluate(case, model, objective, valid, generator, draws):
    net32 = network(model, case["live"])

    def net(*inputs):
        # Weights of a bound are large where noise is small: no room for rounding in what they multiply.
        return net32(*inputs).double()

    rows = torch.cat([objective.bound(net, part, generator, draws).double() for part in valid.split(ROWS)])
    per_target = rows / (valid.shape[1] - 1)
    return per_target.mean().item(), (per_target.std() / len(rows) ** 0.5).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--draws", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)  # small tensors; tests run beside each other
    case = dlmc_io.json.loads((args.case / "case.json").read_text())
    weights = dlmc_io.read_safetensors(args.case / "init.safetensors")
    data = dlmc_io.read_safetensors(args.case / "clean.safetensors")
    objective = objectives.build(
        case["objective"]["name"], case["live"], case["mask"], case["seq"], case["objective"]["options"]
    )
    generator = torch.Generator().manual_seed(case["seed"])
    n_steps = max(args.steps, 1)
    drawn = [objective.noise(data["train"][index], generator) for index in range(n_steps)]
    noise = {name: torch.stack([step[name] for step in drawn]) for name in drawn[0]}
    dlmc_io.write_safetensors(args.case / "noise.safetensors", noise)
    result = dict(torch=torch.__version__, loss={})
    for name, dtype in (("f64", torch.float64), ("f32", torch.float32)):
        loss, grads = first_batch(case, weights, objective, data["train"][0], drawn[0], dtype)
        result["loss"][name] = loss
        dlmc_io.write_safetensors(args.case / f"grads_{name}.safetensors", grads)
    if args.steps:
        model, result["train_loss"] = train(case, weights, objective, data["train"], noise)
        result["bound"], result["se"] = evaluate(case, model, objective, data["valid"], generator, args.draws)
    dlmc_io.write_json(args.case / "result.json", result)


if __name__ == "__main__":
    main()
