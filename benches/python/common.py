"""What the benches share: the shapes of the specs, processes with their memory, the peer's file."""
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT.parent / "shared" / "peer" / "torch_train.py"
sys.path.insert(0, str(ROOT / "tests" / "python"))

# The model of every spec in specs/bench; vocabulary and batch differ.
MODEL = dict(layers=6, dim=384, heads=6, ffn=1024, seq=256)
SPECS = dict(byte=dict(vocab=512, batch=16), bpe=dict(vocab=8192, batch=16), gpt2=dict(vocab=50304, batch=8))


def shape(spec):
    return {**MODEL, **SPECS[spec]}


def shape_options(spec):
    """The shape as torch_train.py takes it."""
    return [text for name, value in shape(spec).items() for text in (f"--{name}", str(value))]


def add_shape(parser, **others):
    """The options of torch_train.py that say how large a model is."""
    defaults = dict(layers=6, dim=384, heads=6, ffn=1024, vocab=512, seq=256, batch=16, seed=0, **others)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)


def load_peer(path):
    """torch_train.py as a module; it is measured where it lies and never copied."""
    path = Path(path)
    if not path.is_file():
        sys.exit(f"there is no {path}: name the PyTorch training script to measure against with --peer")
    spec = importlib.util.spec_from_file_location("torch_train", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(command, **environment):
    """Runs a process to its end. Returns what its last line says as JSON, its wall seconds and its peak resident bytes.

    The kernel keeps the peak of a process with its exit state, so a process that is waited for by its own id has a
    figure of its own. That is VmHWM's: shared libraries count as far as they are resident.
    """
    command = [str(part) for part in command]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        sys.exit(f"{process.returncode} from {' '.join(command)}\n{output}")
    lines = output.strip().splitlines()
    found = json.loads(output) if output.startswith("{\n") else json.loads(lines[-1])
    return dict(found, wall_s=seconds, peak_bytes=usage.ru_maxrss * 1024)


def run_quietly(command):
    """Runs a process of which only the success matters; what it prints is shown if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.returncode} from {' '.join(done.args)}\n{done.stdout}")


def training_bytes(path, count=1_000_000):
    """The first bytes of the text that the specs read, for the peer's --tokens: the same files in the same order.

    What is in a token changes no time, and losses are compared on exported batches instead (loss.py).
    """
    import torch

    folder, out = Path(torch.__file__).parent, bytearray()
    for file in sorted(folder.glob("**/*.py")):
        out += file.read_bytes()
        if len(out) >= count:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(out[:count]))
    return path


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else 0.5 * (values[middle - 1] + values[middle])


def table(header, rows):
    """A Markdown table; the first two columns hold words, the others numbers."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(" --- " if i < 2 else " ---: " for i in range(len(header))) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def say(text):
    print(text, file=sys.stderr, flush=True)
