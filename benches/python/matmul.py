"""The bf16 matrix-product rate of this machine: a large square, and the products of a layer of the benched model.

    python benches/python/matmul.py --rows 4096

Prints one JSON line, FLOP/s by product: the best of several repeats, since that is what the machine can do.
"""
import argparse
import json
import time

import torch

import common

# At least, of each product.
SECONDS, REPEATS = 0.3, 10


def rate(m, k, n):
    """FLOP/s of [m, k] times [n, k] transposed, as a linear layer multiplies."""
    a, b = (torch.randn(shape).to(torch.bfloat16) for shape in ((m, k), (n, k)))
    seconds, end = [], time.perf_counter() + SECONDS
    while len(seconds) < REPEATS or time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(a, b.t())
        seconds.append(time.perf_counter() - start)
    return 2 * m * k * n / min(seconds)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=4096, help="batch times sequence")
    a = p.parse_args()
    dim, ffn = common.MODEL["dim"], common.MODEL["ffn"]
    products = {
        "square of 2048": (2048, 2048, 2048),
        "qkv": (a.rows, dim, 3 * dim),
        "out": (a.rows, dim, dim),
        "gate_up": (a.rows, dim, 2 * ffn),
        "down": (a.rows, ffn, dim),
    }
    rates = {name: rate(*sizes) for name, sizes in products.items()}
    layer = [name for name in products if name != "square of 2048"]
    flops = {name: products[name][0] * products[name][1] * products[name][2] for name in layer}
    # What a layer's products together reach, each at its own rate.
    rates["layer"] = sum(flops.values()) / sum(flops[name] / rates[name] for name in layer)
    print(json.dumps(dict(rates=rates, threads=torch.get_num_threads())))


if __name__ == "__main__":
    main()
