"""A dlmc run against its PyTorch twin: starts both, reads both validation curves, compares them."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import dlmc_io
import twin

ROOT = Path(__file__).resolve().parents[2]


def add_options(parser, spec, out):
    parser.add_argument("--spec", type=Path, default=ROOT / spec)
    parser.add_argument("--out", type=Path, default=ROOT / out, help="where runs, exports and summary.json go")
    parser.add_argument("--dlmc", type=Path, default=ROOT / "target/release/dlmc", help="the executable")
    parser.add_argument("--steps", type=int, help="stop both sides after this many updates (schedules stay those of the whole run)")
    parser.add_argument(
        "--precision",
        choices=["fp32", "bf16", "fp64"],
        default="fp32",
        help="train.precision of both sides. fp32 without it: two implementations round bf16 at different "
        "places, and a model that overfits amplifies that, so bf16 curves part although both are right",
    )
    parser.add_argument("--threads", type=int, help="CPU threads of the twin; PyTorch's choice without it")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="set a value on both sides")
    parser.add_argument("--keep", action="store_true", help="keep the exported batches (about 100 MB per run of the quickstart)")


def call(options, command, arm, folder, settings):
    """`dlmc run` or `dlmc export` of one arm; ends this process with dlmc's exit code if it fails."""
    line = [str(options.dlmc), command, str(options.spec), "--arm", arm]
    line += ["--to" if command == "export" else "--out", str(folder)]
    if options.steps:
        line += ["--steps", str(options.steps)]
    for path, value in settings.items():
        line += ["--set", f"{path}={value}"]
    print("$ " + " ".join(line), flush=True)
    try:
        code = subprocess.run(line, cwd=ROOT).returncode
    except FileNotFoundError:
        sys.exit(f"there is no {options.dlmc}: build it first, or name another with --dlmc")
    if code:
        sys.exit(code)


def records(path):
    """The records of a `metrics.jsonl`; a line that a kill cut short is left out."""
    out = []
    for line in path.read_text().splitlines():
        try:
            out.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return out


def dlmc_curve(folder, meta):
    """Validation loss by step of the run in `folder` that `meta` describes.

    A run that was continued repeats the steps after its last checkpoint: the later record counts.
    """
    found = []
    for path in sorted(folder.rglob("metrics.jsonl")):
        log = records(path)
        start = next((r for r in log if r["kind"] == "start"), None)
        if start and all(start[key] == meta[key] for key in ("experiment", "arm", "precision")):
            found.append((path, log))
    if len(found) != 1:
        paths = "".join(f"\n  {path}" for path, _ in found)
        sys.exit(f"{len(found)} runs of {meta['arm']} in {folder}, where there should be one: delete the folder and start again{paths}")
    return {r["step"]: float("nan") if r["loss"] is None else r["loss"] for r in found[0][1] if r["kind"] == "eval"}


def compare(options, arm, folder, settings):
    """Runs one arm on both sides. Returns a row of the summary."""
    settings = dict(settings, **{"train.precision": options.precision})
    settings.update(text.split("=", 1) for text in options.set)
    export = folder / f"export-{arm}"
    if export.exists():
        shutil.rmtree(export)
    call(options, "export", arm, export, settings)
    call(options, "run", arm, folder, settings)
    meta = dlmc_io.read_meta(export)
    ours = dlmc_curve(folder, meta)
    theirs = {point["step"]: point["loss"] for point in twin.train(export, options.threads, lambda line: print(line, flush=True))}
    if not options.keep:
        for file in ("train.safetensors", "valid.safetensors"):
            (export / file).unlink()
    steps = sorted(ours.keys() & theirs.keys())
    if not steps:
        sys.exit(f"{arm}: no evaluation in common: dlmc at {sorted(ours)}, the twin at {sorted(theirs)}")
    if not options.steps and ours.keys() != theirs.keys():
        sys.exit(f"{arm}: evaluated at different steps: {sorted(ours.keys() ^ theirs.keys())}")
    curve = [dict(step=step, dlmc=ours[step], twin=theirs[step]) for step in steps]
    return dict(settings=settings, arm=arm, evaluations=len(curve), **worst(curve), curve=curve)


def worst(curve):
    """The largest difference of a curve; one that is not a number is larger than any."""
    differences = [(abs(point["dlmc"] - point["twin"]), point["step"]) for point in curve]
    nan = [pair for pair in differences if pair[0] != pair[0]]
    difference, step = nan[0] if nan else max(differences)
    last = curve[-1]
    return dict(max_difference=difference, at_step=step, dlmc_last=last["dlmc"], twin_last=last["twin"])


def finish(options, rows, tolerance, extra=None):
    """Writes summary.json; gives the exit code."""
    # Not `any(d > tolerance)`, which a NaN would pass.
    passed = all(row["max_difference"] <= tolerance for row in rows)
    summary = dict(
        spec=options.spec.name,
        precision=options.precision,
        steps=options.steps,
        tolerance_nats=tolerance,
        passed=passed,
        **(extra or {}),
        rows=rows,
    )
    dlmc_io.write_json(options.out / "summary.json", summary)
    print(f"{'all' if passed else 'NOT all'} within {tolerance} nats; {options.out / 'summary.json'}")
    return 0 if passed else 1
