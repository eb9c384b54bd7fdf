"""dlmc against PyTorch on this machine (`make bench-peer`): same shapes, same batch, bf16, the processes alternating.

    python benches/python/bench_peer.py --specs byte bpe gpt2 --arms mdm ar --pairs 5

Every part starts whole processes, one at a time, dlmc's and each peer's in turn, so that what else the machine does
meets all alike. A ratio is the median of the ratios of the pairs, larger than 1 where dlmc is faster. Peers:

    eager      torch_train.py --bf16
    compile    torch_train.py --bf16 --compile
    strongest  strongest.py --bf16 --compile: what we know of the objective, written by hand in PyTorch

Writes results.json and results.md to --out and prints the tables. Exits with 1 if losses disagree; speed fails nothing.
"""
import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

import common
import dlmc_io
import loss

WHAT = ["train", "loss", "passes", "validation", "sampling", "start"]
PASSES = ["prune_rows", "fuse_head", "fuse_gates", "fuse_norm_rope", "fuse_projections", "all"]
PEERS = {
    "eager": ("torch_train.py", []),
    "compile": ("torch_train.py", ["--compile"]),
    "strongest": ("strongest.py", ["--compile"]),
}
HERE = Path(__file__).resolve().parent


class Bench:
    def __init__(self, options):
        self.options = options
        self.tokens = common.training_bytes(options.out / "tokens.bin")
        self.results = {}

    def python(self, script, *options):
        path = self.options.peer if script == "torch_train.py" else HERE / script
        command = [sys.executable, "-W", "ignore", path, *options]
        if script not in ("torch_train.py", "matmul.py"):
            command += ["--peer", self.options.peer]
        return common.run(command)

    def peer(self, name, spec, arm, steps, warmup):
        script, more = PEERS[name]
        common_options = ["--objective", arm, "--bf16", "--steps", steps, "--warmup", warmup, *self.text(spec)]
        return self.python(script, *common.shape_options(spec), *common_options, *more)

    def text(self, spec):
        """The same bytes as the spec's, where it reads bytes; else both sides draw random ids."""
        return ["--tokens", self.tokens] if spec == "byte" else []

    def dlmc(self, *arguments):
        return common.run([self.options.dlmc, *arguments, "--json"])

    def bench(self, spec, arm, *more):
        return self.dlmc("bench", self.file(spec), "--arm", arm, *more)

    def file(self, spec):
        return common.ROOT / "specs" / "bench" / f"{spec}.dlm"

    def cases(self):
        return [(spec, arm) for spec in self.options.specs for arm in self.options.arms]

    # Training.

    def train(self):
        o = self.options
        rows = []
        for spec, arm in self.cases():
            sizes = common.shape(spec)
            pairs = []
            for pair in range(o.pairs):
                found = {"matmul": self.python("matmul.py", "--rows", sizes["batch"] * sizes["seq"])}
                found["dlmc"] = self.bench(spec, arm, "--steps", o.steps, "--warmup", o.warmup)
                for name in o.peers:
                    found[name] = self.peer(name, spec, arm, o.steps, o.warmup)
                pairs.append(found)
                speeds = ", ".join(f"{name} {found[name]['tokens_per_s']:.0f}" for name in ["dlmc", *o.peers])
                common.say(f"{spec} {arm} pair {pair + 1} of {o.pairs}: tokens/s {speeds}")
            rows.append(dict(spec=spec, arm=arm, **self.summary(pairs), pairs=pairs))
            self.results["train"] = rows
            self.write()

    def summary(self, pairs):
        of = lambda name, key: common.median(pair[name][key] for pair in pairs)
        ratio = lambda name, key: common.median(pair["dlmc"][key] / pair[name][key] for pair in pairs)
        share = lambda product: common.median(
            pair["dlmc"]["flops_per_s"] / pair["matmul"]["rates"][product] for pair in pairs
        )
        peers = {
            name: dict(
                tokens_per_s=of(name, "tokens_per_s"), ratio=ratio(name, "tokens_per_s"),
                peak_bytes=of(name, "peak_bytes"), memory_ratio=ratio(name, "peak_bytes"),
            )
            for name in self.options.peers
        }
        return dict(
            tokens_per_s=of("dlmc", "tokens_per_s"), peak_bytes=of("dlmc", "peak_bytes"),
            flops_per_s=of("dlmc", "flops_per_s"), share_of_square=share("square of 2048"), share_of_layer=share("layer"),
            peers=peers,
        )

    def train_tables(self):
        peers = self.options.peers
        speed, memory, rates, each = [], [], [], []
        for row in self.results["train"]:
            case = [row["spec"], row["arm"]]
            by_peer = [row["peers"][name] for name in peers]
            ratios = [text for peer in by_peer for text in (f"{peer['tokens_per_s']:.0f}", f"{peer['ratio']:.2f}")]
            speed.append([*case, f"{row['tokens_per_s']:.0f}", *ratios])
            ratios = [text for peer in by_peer for text in (mib(peer["peak_bytes"]), f"{peer['memory_ratio']:.2f}")]
            memory.append([*case, mib(row["peak_bytes"]), *ratios])
            square = common.median(pair["matmul"]["rates"]["square of 2048"] for pair in row["pairs"])
            layer = common.median(pair["matmul"]["rates"]["layer"] for pair in row["pairs"])
            rates.append([*case, f"{row['flops_per_s'] / 1e9:.0f}", f"{square / 1e9:.0f}", f"{row['share_of_square']:.0%}",
                          f"{layer / 1e9:.0f}", f"{row['share_of_layer']:.0%}"])
            for i, pair in enumerate(row["pairs"]):
                sides = ["dlmc", *peers]
                each.append([*case, i + 1, *(f"{pair[side]['tokens_per_s']:.0f}" for side in sides),
                             *(f"{pair[side]['loss_first']:.3f} to {pair[side]['loss_last']:.3f}" for side in sides)])
        names = [text for name in peers for text in (name, "ratio")]
        sides = ["dlmc", *peers]
        return [
            ("Training, tokens/s (medians)", common.table(["spec", "arm", "dlmc", *names], speed)),
            ("Peak resident memory, MiB", common.table(["spec", "arm", "dlmc", *names], memory)),
            ("GFLOP/s of dlmc, counted, and of bf16 matrix products alone",
             common.table(["spec", "arm", "dlmc", "square of 2048", "share", "a layer's", "share"], rates)),
            ("Every pair: tokens/s, and losses on each side's own batches",
             common.table(["spec", "arm", "pair", *sides, *(f"loss {side}" for side in sides)], each)),
        ]

    # Losses on the same data.

    def loss(self):
        o = self.options
        self.results["loss"] = [
            loss.compare(o.dlmc, o.peer, self.file(spec), arm, o.loss_steps, o.out) for spec, arm in self.cases()
        ]
        self.write()

    def loss_tables(self):
        rows = [loss.cells(row) for row in self.results["loss"]]
        return [(f"Losses in nats, {self.options.loss_steps} steps on the same data", common.table(loss.HEADER, rows))]

    # What each pass of the optimizer gains.

    def passes(self):
        o = self.options
        rows = []
        for spec, arm in self.cases():
            steps = ["--steps", o.steps, "--warmup", o.warmup]
            for name in PASSES:
                pairs = []
                for _ in range(o.pass_pairs):
                    without = self.bench(spec, arm, *steps, "--no-opt", name)
                    pairs.append(dict(dlmc=self.bench(spec, arm, *steps), without=without))
                gain = common.median(pair["dlmc"]["tokens_per_s"] / pair["without"]["tokens_per_s"] for pair in pairs)
                memory = common.median(pair["dlmc"]["peak_bytes"] / pair["without"]["peak_bytes"] for pair in pairs)
                rows.append(dict(spec=spec, arm=arm, off=name, gain=gain, memory=memory, pairs=pairs))
                common.say(f"{spec} {arm} without {name}: {gain:.3f} times slower")
                self.results["passes"] = rows
                self.write()

    def passes_tables(self):
        cases = list(dict.fromkeys((row["spec"], row["arm"]) for row in self.results["passes"]))
        found = {(row["spec"], row["arm"], row["off"]): row for row in self.results["passes"]}
        cell = lambda row: f"{row['gain']:.2f} ({row['memory']:.2f})" if row else ""
        rows = [[name, *(cell(found.get((*case, name))) for case in cases)] for name in PASSES]
        title = "Tokens/s with all passes over tokens/s without this one (and the same of peak memory)"
        return [(title, common.table(["pass", *(f"{spec} {arm}" for spec, arm in cases)], rows))]

    # Validation.

    def validation(self):
        o = self.options
        rows = []
        for spec, arm in self.cases():
            setting = ["--set", f"data.valid={o.valid_tokens} tokens"]
            pairs = []
            for _ in range(o.pairs):
                ours = self.bench(spec, arm, *setting, "--steps", 1, "--warmup", 0, "--validate")["validation"]
                # As many chunks of as many rows as dlmc read.
                draws = 1 if arm == "ar" else o.draws
                sizes = [*common.shape_options(spec), "--chunks", ours["rows"] // draws, "--draws", draws]
                theirs = self.python("validation.py", *sizes, "--objective", arm, "--bf16", *self.text(spec))
                if theirs["rows"] != ours["rows"]:
                    sys.exit(f"{spec} {arm}: dlmc read {ours['rows']} rows and the peer {theirs['rows']}: give --draws of the spec")
                pairs.append(dict(dlmc=ours, eager=theirs))
                common.say(f"validation {spec} {arm}: tokens/s dlmc {ours['tokens_per_s']:.0f}, eager {theirs['tokens_per_s']:.0f}")
            rows.append(dict(spec=spec, arm=arm, **against(pairs, ["eager"]), pairs=pairs))
            self.results["validation"] = rows
            self.write()

    def validation_tables(self):
        rows = [
            [row["spec"], row["arm"], row["pairs"][0]["dlmc"]["rows"], f"{row['tokens_per_s']['dlmc']:.0f}",
             f"{row['tokens_per_s']['eager']:.0f}", f"{row['ratio']:.2f}"]
            for row in self.results["validation"]
        ]
        return [("Validation, tokens/s read", common.table(["spec", "arm", "rows", "dlmc", "eager", "ratio"], rows))]

    # Sampling.

    def sampling(self):
        o = self.options
        sizes = [*common.shape_options("byte"), "--count", o.count, "--length", o.length]
        rows = []
        with tempfile.TemporaryDirectory(dir=o.out) as folder:
            command = [o.dlmc, "run", self.file("byte"), "--steps", "2", "--set", "data.valid=1K tokens", "--out", folder]
            common.run_quietly(command)
            for arm in o.arms:
                run = next(path for path in Path(folder).glob(f"**/{arm}-*") if path.is_dir())
                ways = {"no cache": [], "cache": ["--cache"]} if arm == "ar" else {"full": ["--decode-steps", o.decode_steps]}
                sampler = "left_to_right()" if arm == "ar" else f"confidence(steps: {o.decode_steps})"
                pairs = []
                for _ in range(o.pairs):
                    ours = self.dlmc("sample", run, "--tokens", o.length, "--count", o.count, "--sampler", sampler)
                    # Texts are no figures.
                    kept = {key: ours[key] for key in ("seconds", "calls")}
                    pair = dict(dlmc=dict(kept, tokens_per_s=ours["tokens_per_second"]))
                    for way, more in ways.items():
                        pair[way] = self.python("sampling.py", *sizes, "--objective", arm, "--bf16", *more)
                    pairs.append(pair)
                    common.say(f"sampling {arm}: tokens/s " + ", ".join(f"{k} {v['tokens_per_s']:.0f}" for k, v in pair.items()))
                rows.append(dict(spec="byte", arm=arm, **against(pairs, list(ways)), pairs=pairs))
                self.results["sampling"] = rows
                self.write()

    def sampling_tables(self):
        rows = []
        for row in self.results["sampling"]:
            peers = {way: f"{value:.0f}" for way, value in row["tokens_per_s"].items() if way != "dlmc"}
            shown = ", ".join(f"{way} {value}" for way, value in peers.items())
            rows.append([row["spec"], row["arm"], f"{row['tokens_per_s']['dlmc']:.0f}", shown, f"{row['ratio']:.2f}"])
        o = self.options
        title = f"Sampling, tokens/s: {o.count} texts of {o.length} tokens, masked diffusion in {o.decode_steps} steps"
        return [(title, common.table(["spec", "arm", "dlmc", "PyTorch", "ratio to the better"], rows))]

    # From the command to the first step.

    def start(self):
        o = self.options
        rows = []
        for arm in o.arms:
            pairs = []
            for _ in range(o.pairs):
                pair = {"dlmc": self.bench("byte", arm, "--steps", 1, "--warmup", 0)["wall_s"]}
                for name in o.peers:
                    pair[name] = self.peer(name, "byte", arm, 1, 0)["wall_s"]
                pairs.append(pair)
                common.say(f"start {arm}: seconds " + ", ".join(f"{k} {v:.2f}" for k, v in pair.items()))
            medians = {name: common.median(pair[name] for pair in pairs) for name in ["dlmc", *o.peers]}
            rows.append(dict(spec="byte", arm=arm, seconds=medians, pairs=pairs))
        self.results["start"] = rows
        self.write()

    def start_tables(self):
        names = ["dlmc", *self.options.peers]
        rows = [[row["spec"], row["arm"], *(f"{row['seconds'][name]:.2f}" for name in names)] for row in self.results["start"]]
        title = "Whole processes that take one step, seconds (file cache warm after the first pair, torch.compile's cache too)"
        return [(title, common.table(["spec", "arm", *names], rows))]

    def markdown(self):
        sections = [section for what in WHAT if what in self.results for section in getattr(self, f"{what}_tables")()]
        host = self.results["machine"]
        head = f"{host['cpu']}, {host['threads']} threads, torch {host['torch']}; load before {host['load']}\n"
        return head + "".join(f"\n### {title}\n\n{text}" for title, text in sections)

    def write(self):
        dlmc_io.write_json(self.options.out / "results.json", self.results)
        (self.options.out / "results.md").write_text(self.markdown())


def against(pairs, peers):
    """Medians of tokens/s, and of the ratio to the better peer of each pair."""
    medians = {name: common.median(pair[name]["tokens_per_s"] for pair in pairs) for name in ["dlmc", *peers]}
    better = lambda pair: max(pair[name]["tokens_per_s"] for name in peers)
    return dict(tokens_per_s=medians, ratio=common.median(pair["dlmc"]["tokens_per_s"] / better(pair) for pair in pairs))


def mib(n_bytes):
    return f"{n_bytes / 2**20:.0f}"


def machine():
    import torch

    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = names[0] if names else platform.machine()
    return dict(cpu=cpu, threads=torch.get_num_threads(), torch=torch.__version__, load=[round(x, 2) for x in os.getloadavg()])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    p.add_argument("--specs", nargs="+", choices=list(common.SPECS), default=list(common.SPECS))
    p.add_argument("--arms", nargs="+", choices=["mdm", "ar"], default=["mdm", "ar"])
    p.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--steps", type=int, default=15, help="measured steps of each process")
    p.add_argument("--warmup", type=int, default=5, help="steps before them: the first compiles, and the second row count again")
    p.add_argument("--pass-pairs", type=int, default=3, help="pairs of each pass")
    p.add_argument("--loss-steps", type=int, default=50)
    p.add_argument("--valid-tokens", type=int, default=16_384, help="of validation text, before the draws of a bound")
    p.add_argument("--draws", type=int, default=4, help="rows of a chunk in dlmc's bound (eval.draws)")
    p.add_argument("--count", type=int, default=8, help="texts that are sampled together")
    p.add_argument("--length", type=int, default=128, help="tokens of each")
    p.add_argument("--decode-steps", type=int, default=64)
    p.add_argument("--dlmc", type=Path, default=common.ROOT / "target/release/dlmc")
    p.add_argument("--peer", type=Path, default=common.PEER, help="torch_train.py")
    p.add_argument("--out", type=Path, default=common.ROOT / "out/bench-peer")
    o = p.parse_args()
    o.out, o.dlmc, o.peer = o.out.resolve(), o.dlmc.resolve(), o.peer.resolve()
    if not o.dlmc.is_file():
        sys.exit(f"there is no {o.dlmc}: build it first (`make build`), or name another with --dlmc")
    if not o.peer.is_file():
        sys.exit(f"there is no {o.peer}: name the PyTorch training script to measure against with --peer")
    o.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(o)
    bench.results["machine"] = machine()
    for what in o.what:
        getattr(bench, what)()
    print(bench.markdown())
    print(f"written to {o.out}/results.md and results.json")
    sys.exit(0 if all(row["passed"] for row in bench.results.get("loss", [])) else 1)


if __name__ == "__main__":
    main()
