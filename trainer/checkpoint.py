"""Checkpoints: safetensors with one JSON text in the header; checked before anything is loaded.

A received file is hostile until its header, offsets, names, shapes and values have been checked.
No pickle is ever opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from stroi.cache.errors import StroiError
from stroi.cache.files import write_atomic
from stroi.trainer.safetensors_header import META
from stroi.trainer.tensor_files import Wanted, check_finite, check_network, read_values
from stroi.trainer.weights_file import open_weights

DIVERGED = "lower the learning rate or add warm-up epochs; look for damaged input"
"""What to do about a training that diverged."""

_NAMES = {torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}


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
    """Read a file of `write_tensors`, or a foreign weights file, after checking it.

    Args:
        path: The file.
        like: Tensors whose names, shapes and types it must have; None takes it as it is.
        ignore: Names that are allowed and left out.
        optional: Ending of names that it may lack.
        pth: Whether a state dict in torch's own zip format is accepted too.

    Returns:
        Tensors by name, and the meta values ({} in a foreign file).

    Raises:
        RefusedInput: ``PTH_NAMES``, ``PTH_SHAPE``, ``PTH_TENSOR`` or ``PTH_NONFINITE``; and as
            `stroi.trainer.weights_file.open_weights`.
    """
    with open_weights(path, pth=pth) as file:
        stored = {name: found for name, found in file.tensors.items() if name not in ignore}
        if like is not None:
            wanted = {
                name: Wanted(_NAMES[value.dtype], tuple(value.shape))
                for name, value in like.items()
            }
            check_network(stored, wanted, str(path), optional=optional)
        tensors = {}
        for name, found in stored.items():
            values = read_values(file.fd, found)
            check_finite(values, name, str(path))
            tensors[name] = torch.from_numpy(values)
    return tensors, file.meta


def read_meta(path: Path) -> dict[str, Any]:
    """The meta values of a checkpoint; its tensors are not judged.

    Raises:
        RefusedInput: As `read_tensors`, for the header.
    """
    with open_weights(path, pth=False) as file:
        return file.meta
