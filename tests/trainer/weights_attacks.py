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


def packed(content: Mapping[str, bytes], *, compress: str = "", twice: str = "") -> bytes:
    """A zip file of these members; the one named `compress` is deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in content.items():
            deflate = zipfile.ZIP_DEFLATED if name == compress else None
            archive.writestr(name, value, compress_type=deflate)
        if twice:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(twice, content[twice])
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


def described(shape: str, strides: str, *, count: str = "K\x06", kind: str = "Float") -> bytes:
    """A file whose pickle is written by hand: one tensor of this shape and strides.

    Sizes are pickle instructions that push a tuple.
    """
    text = (
        "\x80\x02}q\x00X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("
        f"(X\x07\x00\x00\x00storagectorch\n{kind}Storage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        f"{count}tQK\x00{shape}{strides}\x89}}tRs."
    )
    content = {"archive/data.pkl": text.encode("latin-1"), "archive/data/0": bytes(24)}
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


def nested_shape() -> bytes:
    """A shape of tuples in tuples: 60 instructions that would print 2^50 parentheses."""
    return described(")" + "q\x01h\x01\x86" * 50, "K\x01\x85")


def sparse() -> bytes:
    """A CSR matrix whose indices point outside: torch loads it, and crashes when it is used."""
    ends, columns = torch.tensor([0, 2, 4]), torch.tensor([0, 1, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = torch.sparse_csr_tensor(ends, columns, torch.ones(4), (2, 2))
    return saved({"a": matrix})


def many_instructions() -> bytes:
    """A megabyte of pickle that pushes and pops nothing but marks."""
    return changed(data_pkl=b"\x80\x02" + b"(" * (2**20 - 3) + b".")


def doubled_name() -> bytes:
    """A state dict in which a name stands twice; unpickling takes the last one."""
    pickled = members(saved(GOOD))["archive/data.pkl"]
    return changed(data_pkl=pickled.replace(b"X\x01\x00\x00\x00n", b"X\x01\x00\x00\x00a"))


CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "sparse": (sparse, "PTH_TENSOR", "no plain tensor but one of '_rebuild_sparse_tensor'"),
    "stride 0 of 16 TiB": (
        lambda: saved({"a": torch.zeros(1).expand(2**42)}),
        "PTH_TENSOR", "'a' has the bad shape (4398046511104)",
    ),
    "stride 0": (
        lambda: saved({"a": torch.zeros(1).expand(2**20)}),
        "PTH_TENSOR", "'a' has strides (0) for (1048576,)",
    ),
    "transposed": (lambda: saved({"a": GOOD["a"].t()}), "PTH_TENSOR", "has strides (1, 3) for"),
    "part of a storage": (
        lambda: saved({"a": torch.zeros(9)[:5]}), "PTH_TENSOR", "'a' shares its storage",
    ),
    "shared storage": (
        lambda: saved({"a": GOOD["a"], "b": GOOD["a"].view(6)}),
        "PTH_TENSOR", "'b' shares its storage",
    ),
    "doubles": (
        lambda: saved({"a": torch.zeros(2, dtype=torch.float64)}),
        "PTH_TENSOR", "it holds a 'DoubleStorage'",
    ),
    "quantised": (
        lambda: changed(data_pkl=b"\x80\x02ctorch._utils\n_rebuild_qtensor\n."),
        "PTH_TENSOR", "one of '_rebuild_qtensor'",
    ),
    "storage too short": (
        lambda: changed(data_0=bytes(20)), "PTH_TENSOR", "'a' needs 24 bytes, which the file does",
    ),
    "storage missing": (
        lambda: changed(data_0=None), "PTH_TENSOR", "'a' needs 24 bytes, which the file does not",
    ),
    "nested shape": (nested_shape, "PTH_TENSOR", "'a' has the bad shape (no whole numbers)"),
    "negative size": (
        lambda: described("J\xff\xff\xff\xff\x85", "K\x01\x85"), "PTH_TENSOR", "bad shape (-1)",
    ),
    "boolean size": (lambda: described("\x88\x85", "K\x01\x85"), "PTH_TENSOR", "bad shape"),
    "big-endian": (lambda: changed(byteorder=b"big"), "PTH_TENSOR", "not little-endian"),
    "compressed": (
        lambda: packed(members(saved(GOOD)), compress="archive/data/0"),
        "PTH_COMPRESSED", "member 'archive/data/0' is compressed",
    ),
    "2 GiB inflating": (inflating, "PTH_COMPRESSED", "member 'archive/data/0' is compressed"),
    "NaN": (
        lambda: saved({"a": torch.tensor([1.0, torch.nan])}),
        "PTH_NONFINITE", "'a' holds NaN or infinity",
    ),
    "infinity": (
        lambda: saved({"a": torch.tensor([torch.inf])}), "PTH_NONFINITE", "'a' holds NaN or inf",
    ),
    "before zip": (
        lambda: saved(GOOD, _use_new_zipfile_serialization=False),
        "PTH_LEGACY", "a bare pickle, as torch saved before 1.6; on a machine that trusts it, sa",
    ),
    "bare pickle": (lambda: pickle.dumps({"a": 1}), "PTH_LEGACY", "a bare pickle"),
    "code of TorchScript": (
        lambda: changed(**{"code/__torch__.py": b"import os"}),
        "PTH_ZIP", "member 'archive/code/__torch__.py' belongs in no state dict",
    ),
    "path upwards": (
        lambda: changed(**{"../../x": b"x"}), "PTH_ZIP", "member 'archive/../../x' belongs in no",
    ),
    "two folders": (
        lambda: packed(members(saved(GOOD)) | {"other/version": b"3"}), "PTH_ZIP", "2 folders",
    ),
    "member twice": (
        lambda: packed(members(saved(GOOD)), twice="archive/data/0"),
        "PTH_ZIP", "member 'archive/data/0' is there twice",
    ),
    "cut short": (lambda: saved(GOOD)[:-9], "PTH_ZIP", "cut short"),
    "bytes behind": (lambda: saved(GOOD) + b"x", "PTH_ZIP", "bytes behind its end"),
    "flipped bit in a tensor": (
        lambda: flipped(saved(GOOD), GOOD["a"].numpy().tobytes()[4:]),
        "PTH_DAMAGED", "member 'data/0' does not match its checksum",
    ),
    "flipped bit in the pickle": (
        lambda: flipped(saved(GOOD), b"_rebuild_tensor_v2"),
        "PTH_DAMAGED", "member 'data.pkl' does not match its checksum",
    ),
    "no pickle": (lambda: changed(data_pkl=None), "PTH_UNPICKLE", "no data.pkl"),
    "pickle of 2 MB": (lambda: changed(data_pkl=bytes(2**21)), "PTH_UNPICKLE", "beyond 1 MiB"),
    "million instructions": (many_instructions, "PTH_UNPICKLE", "no state dict alone"),
    "pickle damaged": (lambda: changed(data_pkl=b"\x80\x02}s."), "PTH_UNPICKLE", "is damaged"),
    "pickle cut": (lambda: changed(data_pkl=b"\x80\x02}"), "PTH_UNPICKLE", "is damaged"),
    "text behind the pickle": (
        lambda: changed(data_pkl=b"\x80\x02}.x"), "PTH_UNPICKLE", "no state dict alone",
    ),
    "newer protocol": (
        lambda: saved(GOOD, pickle_protocol=4), "PTH_UNPICKLE", "the instruction PROTO, which no",
    ),
    "list of tensors": (
        lambda: saved([GOOD["a"]]), "PTH_UNPICKLE", "the instruction EMPTY_LIST, which no weights",
    ),
    "checkpoint around it": (
        lambda: saved({"state_dict": GOOD}), "PTH_UNPICKLE", "its entry 'state_dict' is no tensor",
    ),
    "whole module": (
        lambda: saved(torch.nn.Linear(2, 2)),
        "PTH_UNPICKLE", "its pickle names 'torch.nn.modules.linear Linear', which no weights need",
    ),
    "persistent code": (
        lambda: changed(data_pkl=b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R."),
        "PTH_UNPICKLE", "its pickle names 'builtins eval', which no weights need",
    ),
    "name with an escape": (
        lambda: changed(data_pkl=b"\x80\x02c\x1b[31m\nx\n."), "PTH_UNPICKLE", r"'\x1b[31m x'",
    ),
    "name twice": (doubled_name, "PTH_NAMES", "the name 'a' is there twice"),
}  # fmt: skip
"""Case to how it is made, the code of its refusal, and a part of the message."""
