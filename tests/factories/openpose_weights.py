"""Weights for OpenPose's networks in Caffe's format, drawn at random."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LAYER = re.compile(r"^layer \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)


def layers(prototxt: str) -> Iterator[tuple[str, str, list[tuple[int, ...]]]]:
    """Name, type and shapes of the weights of every layer."""
    channels = {"image": 3}
    for (text,) in zip(_LAYER.findall(prototxt), strict=True):
        (name,), (kind,) = re.findall(r'^  name: "(.*?)"', text, re.M), _words("type", text)[:1]
        bottoms, (top,) = _words("bottom", text), _words("top", text)
        shapes: list[tuple[int, ...]] = []
        before = sum(channels[bottom] for bottom in bottoms)
        after = before
        if kind == "Convolution":
            (after,), (side,) = _numbers("num_output", text), _numbers("kernel_size", text)
            shapes = [(after, before, side, side), (after,)]
        elif kind == "PReLU":
            shapes = [(before,)]
        channels[top] = after
        yield name, kind, shapes


def _words(key: str, text: str) -> list[str]:
    return re.findall(rf'^  {key}: "(.*?)"', text, re.MULTILINE)


def _numbers(key: str, text: str) -> list[int]:
    return [int(number) for number in re.findall(rf"^ +{key}: (\d+)", text, re.MULTILINE)]


def write_weights(prototxt: Path, path: Path, seed: int = 0) -> None:
    """Write weights that keep the size of activations, with Caffe's protocol buffers by hand."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        for name, kind, shapes in layers(prototxt.read_text(encoding="utf-8")):
            blobs = [_blob(_drawn(rng, kind, shape)) for shape in shapes]
            fields = [_field(1, name.encode()), _field(2, kind.encode())]
            fields += [_field(7, blob) for blob in blobs]
            file.write(_field(100, b"".join(fields)))


def _drawn(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) == 1:
        return np.full(shape, 0.25 if kind == "PReLU" else 0.01, np.float32)
    spread = np.sqrt(2 / np.prod(shape[1:]))
    return rng.normal(0, spread, shape).astype(np.float32)


def _blob(values: NDArray[np.float32]) -> bytes:
    shape = _field(1, b"".join(map(_varint, values.shape)))
    return _field(7, shape) + _field(5, values.tobytes())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
