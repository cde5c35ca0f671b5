"""ONNX files small enough to write by hand: the protobuf encoding, and the few messages needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7
Shape = Sequence[int | str]


def _number(value: int) -> bytes:
    value &= (1 << 64) - 1
    coded = b""
    while value > 127:
        coded += bytes([value & 127 | 128])
        value >>= 7
    return coded + bytes([value])


def _int(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _number(field << 3 | 2) + _number(len(value)) + value


def node(kind: str, inputs: str, output: str, **attributes: int | list[int]) -> bytes:
    """One operation; `inputs` are separated by spaces."""
    coded = b"".join(_bytes(1, name) for name in inputs.split()) + _bytes(2, output)
    coded += _bytes(4, kind)
    for name, value in attributes.items():
        if isinstance(value, int):
            inner = _bytes(1, name) + _int(3, value) + _int(20, 2)
        else:
            inner = _bytes(1, name) + b"".join(_int(8, part) for part in value) + _int(20, 7)
        coded += _bytes(5, inner)
    return coded


def tensor(name: str, value: NDArray[np.generic]) -> bytes:
    """A constant, float32 or int64."""
    kind = INT64 if value.dtype == np.int64 else FLOAT
    coded = b"".join(_int(1, side) for side in value.shape) + _int(2, kind)
    return coded + _bytes(8, name) + _bytes(9, value.tobytes())


def _value(name: str, shape: Shape) -> bytes:
    sides = b"".join(
        _bytes(1, _int(1, side) if isinstance(side, int) else _bytes(2, side)) for side in shape
    )
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, FLOAT) + _bytes(2, sides)))


def model(
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
) -> bytes:
    """A whole ONNX file of float32 inputs and outputs, operations of version 13."""
    graph = b"".join(_bytes(1, one) for one in nodes) + _bytes(2, "tiny")
    graph += b"".join(_bytes(5, one) for one in constants)
    graph += b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs.items())
    return _int(1, 8) + _bytes(7, graph) + _bytes(8, _int(2, 13))


def ints(*values: int) -> NDArray[np.int64]:
    """A list of int64, as shapes and axes are given."""
    return np.array(values, np.int64)


def tiny_rtmo(width: int, height: int, boxes: NDArray[np.float32], *, joints: int = 17) -> bytes:
    """A network with RTMO's interface: everybody's joint j is j px right of the bluest pixel.

    The score of joint j is (j + 1) / joints.
    """
    spread = np.zeros((1, len(boxes), joints, 3), np.float32)
    spread[..., 0] = np.arange(joints)
    spread[..., 2] = (1 + np.arange(joints)) / joints
    nodes = [
        node("Gather", "input zero", "blue", axis=1),
        node("Reshape", "blue line", "flat"),
        node("ArgMax", "flat", "place", axis=0, keepdims=1),
        node("Mod", "place width", "column"),
        node("Div", "place width", "row"),
        node("Cast", "column", "x", to=FLOAT),
        node("Cast", "row", "y", to=FLOAT),
        node("Concat", "x y nought", "point", axis=0),
        node("Add", "spread point", "keypoints"),
        node("Identity", "boxes", "dets"),
    ]
    constants = [
        tensor("zero", np.array(0, np.int64)),
        tensor("line", ints(-1)),
        tensor("width", ints(width)),
        tensor("nought", np.zeros(1, np.float32)),
        tensor("spread", spread),
        tensor("boxes", boxes[None]),
    ]
    return model(
        nodes,
        constants,
        {"input": (1, 3, height, width)},
        {"dets": (1, len(boxes), 5), "keypoints": (1, len(boxes), joints, 3)},
    )


def tiny_rtmpose(width: int, height: int, *, joints: int = 17, sides: bool = True) -> bytes:
    """A network with RTMPose's interface: every joint is where most red is, in bins of half a px.

    Its scores are the normalised red there. Without `sides` the file does not tell its input size.
    """
    nodes = [
        node("Gather", "input zero", "red", axis=1),
        node("ReduceMax", "red", "across", axes=[1], keepdims=0),
        node("ReduceMax", "red", "down", axes=[2], keepdims=0),
    ]
    for name, out, side in (("across", "simcc_x", "wide"), ("down", "simcc_y", "high")):
        nodes += [
            node("Reshape", f"{name} column", f"{name}1"),
            node("Tile", f"{name}1 twice", f"{name}2"),
            node("Reshape", f"{name}2 {side}", f"{name}3"),
            node("Tile", f"{name}3 everyone", out),
        ]
    constants = [
        tensor("zero", np.array(0, np.int64)),
        tensor("column", ints(1, -1, 1)),
        tensor("twice", ints(1, 1, 2)),
        tensor("wide", ints(1, 1, 2 * width)),
        tensor("high", ints(1, 1, 2 * height)),
        tensor("everyone", ints(1, joints, 1)),
    ]
    size: Shape = (height, width) if sides else ("height", "width")
    return model(
        nodes,
        constants,
        {"input": ("batch", 3, *size)},
        {"simcc_x": ("batch", joints, 2 * width), "simcc_y": ("batch", joints, 2 * height)},
    )
