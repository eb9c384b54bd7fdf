"""What dlmc exports, read without any library but torch: safetensors by hand, and `meta.json`."""
import json
import math
import struct
from pathlib import Path

import torch

DTYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_safetensors(path):
    """All tensors of a safetensors file by name.

    The format: a u64 with the length of a JSON header, the header, then the bytes of all tensors.
    """
    raw = Path(path).read_bytes()
    (n_header,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + n_header])
    header.pop("__metadata__", None)
    data = memoryview(raw)[8 + n_header :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        if begin == end:
            tensors[name] = torch.empty(entry["shape"], dtype=dtype)
        else:  # a copy, so that the tensor is aligned and may be written to
            tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=dtype).view(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    """Writes tensors by name, sorted, so that equal tensors make equal files."""
    header, blobs, offset = {}, [], 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        n_bytes = tensor.numel() * tensor.element_size()
        blob = bytearray(n_bytes)
        if n_bytes:
            torch.frombuffer(blob, dtype=tensor.dtype).copy_(tensor.view(-1))
        header[name] = dict(dtype=NAMES[tensor.dtype], shape=list(tensor.shape), data_offsets=[offset, offset + n_bytes])
        blobs.append(blob)
        offset += n_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            out.write(blob)


def read_meta(folder):
    return json.loads((Path(folder) / "meta.json").read_text())


def plain(value):
    """JSON has no word for NaN and infinity; as in `metrics.jsonl` they become null."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path, value):
    """Written whole or not at all, so that a stopped process leaves nothing half done."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n")
    temporary.replace(path)
