"""Hostile and damaged weights files, made the way an attacker or a bad disk makes them."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

GOOD: dict[str, Tensor] = {"a": torch.arange(6.0).view(2, 3), "n": torch.tensor(7)}


def saved(value: object, **options: Any) -> bytes:
    """What `torch.save` writes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Sparse CSR tensors are announced as a beta feature.
        warnings.simplefilter("ignore")
        torch.save(value, buffer, **options)
    return buffer.getvalue()


class Runs:
    """Unpickling it runs a command that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(content: Mapping[str, bytes], *, compress: str = "") -> bytes:
    """A zip file of these members; the one named `compress` is deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in content.items():
            deflate = zipfile.ZIP_DEFLATED if name == compress else None
            archive.writestr(name, value, compress_type=deflate)
    return buffer.getvalue()


def changed(**other: bytes | None) -> bytes:
    """The good file with members replaced, added or (None) left out; ``data_pkl`` is data.pkl."""
    content: dict[str, bytes] = members(saved(GOOD))
    for name, value in other.items():
        path = f"archive/{name.replace('_pkl', '.pkl').replace('_0', '/0')}"
        if value is None:
            del content[path]
        else:
            content[path] = value
    return packed(content)


def flipped(data: bytes, part: bytes) -> bytes:
    """`data` with the lowest bit of the first byte of `part` turned over."""
    at = data.index(part)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def inflating() -> bytes:
    """A member of 2 GiB in a file of 2 MB."""
    content = members(saved({"a": torch.zeros(1)}))
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    # A full flush forgets what came before, so the same 16 MiB may follow 128 times.
    part = coder.compress(bytes(2**24)) + coder.flush(zlib.Z_FULL_FLUSH)
    packed_zeros = part * 128 + coder.flush()
    data = packed(content | {"archive/data/0": packed_zeros})
    # Say in both headers that the stored bytes are deflated ones.
    size = struct.pack("<L", len(packed_zeros))
    for method, sizes, magic in ((8, 18, b"PK\x03\x04"), (10, 20, b"PK\x01\x02")):
        at = data.index(b"archive/data/0", data.index(magic) if magic[2] == 3 else -4000)
        header = at - (30 if magic[2] == 3 else 46)
        fields = bytearray(data[header:at])
        fields[method : method + 2] = b"\x08\x00"
        fields[sizes : sizes + 8] = size + struct.pack("<L", 2**31)
        data = data[:header] + bytes(fields) + data[at:]
    return data


def sparse() -> bytes:
    """A CSR matrix whose indices point outside: torch loads it, and crashes when it is used."""
    ends, columns = torch.tensor([0, 2, 4]), torch.tensor([0, 1, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = torch.sparse_csr_tensor(ends, columns, torch.ones(4), (2, 2))
    return saved({"a": matrix})


CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "sparse": (sparse, "PTH_TENSOR", "'a' is no plain tensor of float32, int64 or uint8"),
    "stride 0 of 16 TiB": (
        lambda: saved({"a": torch.zeros(1).expand(2**42)}), "PTH_TENSOR", "'a' is no plain tensor",
    ),
    "stride 0": (
        lambda: saved({"a": torch.zeros(1).expand(2**20)}), "PTH_TENSOR", "'a' is no plain tensor",
    ),
    "without numbers": (
        lambda: saved({"a": torch.zeros(2, device="meta")}), "PTH_TENSOR", "'a' is no plain tensor",
    ),
    "doubles": (
        lambda: saved({"a": torch.zeros(2, dtype=torch.float64)}),
        "PTH_TENSOR", "'a' is no plain tensor",
    ),
    "function": (
        lambda: changed(data_pkl=b"\x80\x02ctorch._utils\n_rebuild_qtensor\n."),
        "PTH_UNPICKLE", "it holds no state dict",
    ),
    "storage missing": (
        lambda: changed(data_0=None), "PTH_UNPICKLE", "takes no weights from it (RuntimeError)",
    ),
    "compressed": (
        lambda: packed(members(saved(GOOD)), compress="archive/data/0"),
        "PTH_DAMAGED", "damaged, or not as torch.save writes it",
    ),
    "2 GiB inflating": (inflating, "PTH_DAMAGED", "damaged, or not as torch.save writes it"),
    "NaN": (
        lambda: saved({"a": torch.tensor([1.0, torch.nan])}),
        "PTH_NONFINITE", "'a' holds NaN or infinity",
    ),
    "infinity": (
        lambda: saved({"a": torch.tensor([torch.inf])}), "PTH_NONFINITE", "'a' holds NaN or inf",
    ),
    "bare pickle": (lambda: pickle.dumps({"a": 1}), "ST_HEADER", "no whole safetensors file"),
    "cut short": (lambda: saved(GOOD)[:-9], "PTH_DAMAGED", "damaged"),
    "flipped bit in a tensor": (
        lambda: flipped(saved(GOOD), GOOD["a"].numpy().tobytes()[4:]), "PTH_DAMAGED", "damaged",
    ),
    "flipped bit in the pickle": (
        lambda: flipped(saved(GOOD), b"_rebuild_tensor_v2"), "PTH_DAMAGED", "damaged",
    ),
    "no pickle": (lambda: changed(data_pkl=None), "PTH_UNPICKLE", "takes no weights"),
    "pickle damaged": (
        lambda: changed(data_pkl=b"\x80\x02}s."), "PTH_UNPICKLE", "takes no weights",
    ),
    "pickle cut": (lambda: changed(data_pkl=b"\x80\x02}"), "PTH_UNPICKLE", "takes no weights"),
    "list of tensors": (lambda: saved([GOOD["a"]]), "PTH_UNPICKLE", "it holds no state dict"),
    "numbers for names": (lambda: saved({1: GOOD["a"]}), "PTH_UNPICKLE", "it holds no state dict"),
    "checkpoint around it": (
        lambda: saved({"state_dict": GOOD}), "PTH_UNPICKLE", "its entry 'state_dict' is no tensor",
    ),
    "whole module": (
        lambda: saved(torch.nn.Linear(2, 2)), "PTH_UNPICKLE", "do not load it in another way",
    ),
    "persistent code": (
        lambda: changed(data_pkl=b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R."),
        "PTH_UNPICKLE", "do not load it in another way",
    ),
    "name with an escape": (
        lambda: changed(data_pkl=b"\x80\x02c\x1b[31m\nx\n."), "PTH_UNPICKLE", "do not load it",
    ),
    "tensor named with an escape": (
        lambda: saved({"\x1b[31m": torch.zeros(1, dtype=torch.int32)}),
        "PTH_TENSOR", r"'\x1b[31m' is no plain tensor",
    ),
}  # fmt: skip
"""Case to how it is made, the code of its refusal, and a part of the message."""
