"""Validation curves of dlmc against PyTorch, both arms of the quickstart, three seeds (`make peer-curve`).

Each run starts from exported weights and sees exported batches, corruption, learning rates and
validation rows, so the curves may differ by rounding alone. Exits with 1 if any evaluation differs by
more than 0.03 nats.
"""
import argparse
import sys

import compare

# An overfitting model amplifies rounding; three seeds of the same spec differ by more than this.
TOLERANCE_NATS = 0.03


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    compare.add_options(parser, "specs/quickstart.dlm", "out/peer-curve")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=["ar", "mdm"])
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        # Each purpose has draws of its own, so one number serves all three.
        settings = {f"train.seeds.{purpose}": seed for purpose in ("init", "order", "noise")}
        for arm in options.arms:
            row = compare.compare(options, arm, options.out / f"seed{seed}", settings)
            rows.append(dict(seed=seed, **row))
            print(table(rows), flush=True)
    sys.exit(compare.finish(options, rows, TOLERANCE_NATS))


def table(rows):
    lines = ["", "seed  arm   evaluations  max |difference|  at step  last: dlmc   twin"]
    for row in rows:
        lines.append(
            f"{row['seed']:>4}  {row['arm']:<4}  {row['evaluations']:>11}  {row['max_difference']:>16.6f}  "
            f"{row['at_step']:>7}  {row['dlmc_last']:>10.4f}  {row['twin_last']:.4f}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
