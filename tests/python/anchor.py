"""nanoGPT's CPU recipe on tiny Shakespeare in dlmc and as a PyTorch twin (`specs/anchors`).

Exits with 1 if any of the evaluations on the whole validation text differs by more than 0.01 nats.
"""
import argparse
import sys

import compare

TOLERANCE_NATS = 0.01
# karpathy/nanoGPT, README ("gets us a loss of only 1.88"): an estimate from 20 random batches of 12 x 64 characters.
PUBLISHED_NATS = 1.88


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    compare.add_options(parser, "specs/anchors/nanogpt_shakespeare_cpu.dlm", "out/anchor")
    options = parser.parse_args()
    row = compare.compare(options, "ar", options.out, {})
    print("\n  step    dlmc    twin  difference")
    for point in row["curve"]:
        print(f"{point['step']:>6}  {point['dlmc']:.4f}  {point['twin']:.4f}  {point['dlmc'] - point['twin']:>+10.6f}")
    print(f"\nlast: dlmc {row['dlmc_last']:.4f}, twin {row['twin_last']:.4f}, published {PUBLISHED_NATS} (20 random batches)")
    sys.exit(compare.finish(options, [row], TOLERANCE_NATS, dict(published_nats=PUBLISHED_NATS)))


if __name__ == "__main__":
    main()
