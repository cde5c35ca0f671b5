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

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.opening import open_regular
from stroi.cache.storage.strict_json import parse_json

META = "stroi"
"""The one metadata key of our safetensors files."""
DIVERGED = "lower the learning rate or add warm-up epochs; look for damaged input"
"""What to do about a training that diverged."""

_DTYPES = (torch.float32, torch.int64, torch.uint8)
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF"
"""First bytes of `torch.save`'s files, since torch 1.6 and before."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and their JSON values as one file, complete or absent.

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
    """Refuse NaN and infinity in the result of a training.

    Args:
        tensors: Any tensors by name.
        where: File or place, for the message.

    Raises:
        StroiError: ``WEIGHTS_NOT_FINITE``.
    """
    if (name := _first_not_finite(tensors)) is not None:
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
            ``PTH_NAMES``, ``PTH_SHAPE``, ``PTH_TENSOR`` or ``PTH_NONFINITE``; the codes of
            `parse_json` for its meta values.
    """
    if pth and is_pickled(path):
        entries, meta = _torch_load(path), {}
    else:
        with _open_safetensors(path) as file:
            names, meta = file.keys(), _meta(path, file)
            entries = {name: file.get_tensor(name) for name in names}
    tensors = {
        name: _plain_tensor(path, name, value)
        for name, value in entries.items()
        if name not in ignore
    }
    if like is not None:
        check_network(path, tensors, like, optional)
    if (name := _first_not_finite(tensors)) is not None:
        raise refuse(
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
    with _open_safetensors(path) as file:
        return _meta(path, file)


def is_pickled(path: Path) -> bool:
    """Whether a file is as `torch.save` writes it.

    Raises:
        RefusedInput: As `first_bytes`.
    """
    return first_bytes(path).startswith((_ZIP, _PICKLE))


def first_bytes(path: Path) -> bytes:
    """The first bytes of a regular file; on a pipe or a device the libraries would hang.

    Raises:
        RefusedInput: ``PTH_READ`` if it is no regular file or cannot be read.
    """
    try:
        with open_regular(path) as (fd, _):
            return os.pread(fd, len(_PICKLE), 0)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise refuse("PTH_READ", path, problem) from error


def refuse(
    code: str, path: Path, problem: str, remedy: str = "fetch the file again, or train it again"
) -> RefusedInput:
    """The refusal of a weights file."""
    return RefusedInput(code, f"{str(path)!a}: {problem}", remedy=remedy)


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    first_bytes(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        problem = f"no whole safetensors file ({str(error)[:100]!a})"
        raise refuse("ST_HEADER", path, problem) from error


def _meta(path: Path, file: Any) -> dict[str, Any]:
    meta = parse_json((file.metadata() or {}).get(META, "{}"), repr(str(path)))
    if not isinstance(meta, dict):
        raise refuse("ST_HEADER", path, "its metadata is not stroi's")
    return meta


def _torch_load(path: Path) -> dict[str, object]:
    is_zip = first_bytes(path).startswith(_ZIP)
    if is_zip and not _is_whole(path):
        raise refuse("PTH_DAMAGED", path, "damaged, or not as torch.save writes it")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch lets through whatever a damaged pickle leads to
        raise refuse(
            "PTH_UNPICKLE",
            path,
            f"torch.load with weights_only takes no weights from it ({type(error).__name__})",
            "do not load it in another way; ask its maker for the state dict as safetensors",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise refuse("PTH_UNPICKLE", path, "it holds no state dict", "save a state dict alone")
    return state


def _is_whole(path: Path) -> bool:
    """Whether a zip file is undamaged: torch checks no checksum and maps compressed numbers."""
    try:
        with ZipFile(path) as archive:
            plain = all(each.compress_type == ZIP_STORED for each in archive.infolist())
            return plain and archive.testzip() is None
    except Exception:  # zipfile lets through whatever a damaged directory leads to
        return False


def _plain_tensor(path: Path, name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        problem = f"its entry {name[:80]!a} is no tensor"
        raise refuse("PTH_UNPICKLE", path, problem, "save a state dict alone")
    if (
        value.dtype not in _DTYPES
        or value.layout is not torch.strided
        or value.device.type != "cpu"
        # Strides of 0 give any size to a few bytes.
        or value.nbytes > value.untyped_storage().nbytes()
    ):
        problem = f"{name[:80]!a} is no plain tensor of float32, int64 or uint8"
        raise refuse("PTH_TENSOR", path, problem)
    return value.detach()


def _first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            return name
    return None


def check_network(
    path: Path, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], optional: str | None
) -> None:
    """Refuse tensors that are not exactly a network's, by name, shape and type.

    Raises:
        RefusedInput: ``PTH_NAMES``, ``PTH_SHAPE``, ``PTH_TENSOR``.
    """
    missing = {
        name for name in like.keys() - tensors.keys() if not (optional and name.endswith(optional))
    }
    extra = tensors.keys() - like.keys()
    for names, problem in ((missing, "is missing"), (extra, "does not belong here")):
        if names:
            text = f"{len(names)} names differ; {min(names)[:80]!a} {problem}"
            raise refuse("PTH_NAMES", path, text)
    for name in sorted(tensors):
        got, want = tensors[name], like[name]
        if got.shape != want.shape:
            shape = str(tuple(got.shape))[:80]
            raise refuse("PTH_SHAPE", path, f"{name!a} is {shape}, want {tuple(want.shape)}")
        if got.dtype != want.dtype:
            raise refuse("PTH_TENSOR", path, f"{name!a} is {got.dtype}, want {want.dtype}")
