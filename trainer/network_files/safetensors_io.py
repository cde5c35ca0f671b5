"""Files of tensors: safetensors with one JSON text in the header, or what `torch.save` wrote.

The libraries' own readers open them: `safetensors.safe_open`, and `torch.load` with
``weights_only``, which runs no code. Nothing of a file is used before its names, shapes, types and
values have been checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.opening import open_regular
from stroi.cache.storage.strict_json import parse_json

META = "stroi"
"""The one metadata key of our safetensors files."""
DIVERGED = "lower the learning rate or add warm-up epochs; look for damaged input"
"""What to do about a training that diverged."""

_DTYPES = (torch.float32, torch.int64, torch.uint8)
_ZIP = b"PK\x03\x04"
_OLD = b"\x80\x02\x8a\x0al\xfc\x9cF"
"""How files of `torch.save` begin: since 1.6, and before."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and what belongs to them as one file, complete or absent.

    Args:
        path: Final name, ``*.safetensors``.
        tensors: float32, int64 or uint8 tensors by name, on any device.
        meta: JSON values.

    Raises:
        StroiError: ``WEIGHTS_NOT_FINITE``: no reader would take the file; if the disk is full or
            read-only.
    """
    check_diverged(tensors, str(path))
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # One metadata key: the library writes several in an order that differs between runs.
    text = json.dumps(meta, sort_keys=True, allow_nan=False)
    write_atomic(path, safetensors.torch.save(plain, metadata={META: text}))


def check_diverged(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse NaN and infinity in what a training gave.

    Args:
        tensors: Any tensors by name.
        where: What they are about, for the message.

    Raises:
        StroiError: ``WEIGHTS_NOT_FINITE``.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise StroiError(
                "WEIGHTS_NOT_FINITE",
                f"{where}: the training diverged, {name} holds NaN or infinity",
                remedy=DIVERGED,
            )


def read_tensors(
    path: Path,
    like: Mapping[str, Tensor] | None = None,
    *,
    ignore: Sequence[str] = (),
    optional: str | None = None,
    pth: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `write_tensors`, or a foreign weights file, and check it.

    Args:
        path: The file.
        like: Tensors whose names, shapes and types it must have; None takes it as it is.
        ignore: Names that are allowed and left out.
        optional: Ending of names that it may lack.
        pth: Whether a state dict of `torch.save` is accepted too.

    Returns:
        Tensors by name, which may be mapped from the file, and the meta values ({} in a foreign
        file).

    Raises:
        RefusedInput: ``PTH_READ`` if it is no regular file or cannot be read; ``ST_HEADER``,
            ``PTH_DAMAGED`` or ``PTH_UNPICKLE`` if it is not whole or holds more than tensors;
            ``PTH_NAMES``, ``PTH_SHAPE``, ``PTH_TENSOR`` or ``PTH_NONFINITE``; what `parse_json`
            says of its meta values.
    """
    if pth and _head(path).startswith((_ZIP, _OLD)):
        found, meta = _torch_load(path), {}
    else:
        with _safetensors(path) as file:
            names, meta = file.keys(), _meta(path, file)
            found = {name: file.get_tensor(name) for name in names}
    tensors = {
        name: _plain(path, name, value) for name, value in found.items() if name not in ignore
    }
    if like is not None:
        _check_network(path, tensors, like, optional)
    for name, value in tensors.items():
        if not np.isfinite(value.numpy()).all():
            raise _refused(
                "PTH_NONFINITE",
                path,
                f"{name[:80]!a} holds NaN or infinity",
                "fetch the file again; if it was trained here, the training diverged: lower its "
                "learning rate",
            )
    return {name: value.contiguous() for name, value in tensors.items()}, meta


def read_meta(path: Path) -> dict[str, Any]:
    """The meta values of a checkpoint; its tensors are not checked.

    Raises:
        RefusedInput: As `read_tensors`, for the header.
    """
    with _safetensors(path) as file:
        return _meta(path, file)


def check_digest(path: Path, sha256: str) -> None:
    """Refuse a file that is not the one its user means.

    Args:
        path: The file.
        sha256: Its digest, 64 lower-case hexadecimal digits.

    Raises:
        RefusedInput: ``START_DIGEST``; ``PTH_READ`` if it is no regular file or cannot be read.
    """
    _head(path)
    found = sha256_file(path)
    if found != sha256:
        raise _refused(
            "START_DIGEST",
            path,
            f"its SHA-256 is {found}, not {sha256}",
            "name the right file, or correct resnet.start_sha256",
        )


def _refused(code: str, path: Path, problem: str, remedy: str = "") -> RefusedInput:
    return RefusedInput(
        code,
        f"{str(path)!a}: {problem}",
        remedy=remedy or "fetch the file again, or train it again",
    )


def _head(path: Path) -> bytes:
    """How a regular file begins; a pipe or a device would hang the libraries."""
    try:
        with open_regular(path) as (fd, _):
            return os.pread(fd, len(_OLD), 0)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise _refused("PTH_READ", path, problem) from error


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    _head(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        problem = f"no whole safetensors file ({str(error)[:100]!a})"
        raise _refused("ST_HEADER", path, problem) from error


def _meta(path: Path, file: Any) -> dict[str, Any]:
    meta = parse_json((file.metadata() or {}).get(META, "{}"), repr(str(path)))
    if not isinstance(meta, dict):
        raise _refused("ST_HEADER", path, "its metadata is not stroi's")
    return meta


def _torch_load(path: Path) -> dict[str, object]:
    is_zip = _head(path).startswith(_ZIP)
    if is_zip and not _is_whole(path):
        raise _refused("PTH_DAMAGED", path, "damaged, or not as torch.save writes it")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch lets through whatever a damaged pickle leads to
        raise _refused(
            "PTH_UNPICKLE",
            path,
            f"torch.load with weights_only takes no weights from it ({type(error).__name__})",
            "do not load it in another way; ask its maker for the state dict as safetensors",
        ) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise _refused("PTH_UNPICKLE", path, "it holds no state dict", "save a state dict alone")
    return found


def _is_whole(path: Path) -> bool:
    """Whether a zip file holds what was saved; torch would read damage as other numbers.

    It looks at no checksum, and maps compressed numbers as if they were plain.
    """
    try:
        with ZipFile(path) as archive:
            plain = all(each.compress_type == ZIP_STORED for each in archive.infolist())
            return plain and archive.testzip() is None
    except Exception:  # zipfile too
        return False


def _plain(path: Path, name: str, value: object) -> Tensor:
    """The tensor, if it is one that lies in memory as any other."""
    if not isinstance(value, Tensor):
        problem = f"its entry {name[:80]!a} is no tensor"
        raise _refused("PTH_UNPICKLE", path, problem, "save a state dict alone")
    if (
        value.dtype not in _DTYPES
        or value.layout is not torch.strided
        or value.device.type != "cpu"
        # Strides of 0 give any size to a few bytes.
        or value.nbytes > value.untyped_storage().nbytes()
    ):
        problem = f"{name[:80]!a} is no plain tensor of float32, int64 or uint8"
        raise _refused("PTH_TENSOR", path, problem)
    return value.detach()


def _check_network(
    path: Path, found: Mapping[str, Tensor], like: Mapping[str, Tensor], optional: str | None
) -> None:
    """Refuse tensors that are not exactly a network's, by name, shape and type."""
    missing = like.keys() - found.keys()
    if optional is not None:
        missing = {name for name in missing if not name.endswith(optional)}
    for problem, names in (
        ("is missing", missing),
        ("does not belong here", found.keys() - like.keys()),
    ):
        if names:
            text = f"{len(names)} names differ; {min(names)[:80]!a} {problem}"
            raise _refused("PTH_NAMES", path, text)
    for name in sorted(found):
        got, want = found[name], like[name]
        if got.shape != want.shape:
            shape = str(tuple(got.shape))[:80]
            raise _refused("PTH_SHAPE", path, f"{name!a} is {shape}, want {tuple(want.shape)}")
        if got.dtype != want.dtype:
            raise _refused("PTH_TENSOR", path, f"{name!a} is {got.dtype}, want {want.dtype}")
