"""The two kinds of files that hold skeletons of one's own: .npz and CSV (docs/own-skeletons.md).

Legend of shapes: T frames of the file, M people in it, V joints.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import Layout
from stroi.pipeline.index.csv import iterate_csv

MAX_BYTES = 64 * 2**20
"""Largest file, and largest array in one; a minute of two people with 35 joints has 3 MB."""

MAX_FRAMES = 100_000
"""Most frames of a CSV file."""

MAX_CSV_PEOPLE = 64
"""Most people in a CSV file."""

REMEDY = "write the file as docs/own-skeletons.md says, or leave the clip out"
Arrays = dict[str, NDArray[np.float64]]


def read_npz(path: Path, layout: Layout) -> Arrays:
    """The arrays of a .npz file: position (T, M, V, 3); pixels (T, M, V, 2) and size (2) if it has.

    Raises:
        ClipRejected: ``SKEL_OPEN``, ``SKEL_FORMAT`` or ``SKEL_COUNT``.
    """
    data = _bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {info.filename for info in archive.infolist()}
            present = [one for one in ("position", "pixels", "size") if f"{one}.npy" in names]
            arrays = {one: _array(_member(archive, f"{one}.npy"), one) for one in present}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        problem = f"is no .npz file ({ascii(str(error))[1:61]})"
        raise rejected("SKEL_FORMAT", path, problem) from None
    except ValueError as error:
        raise rejected("SKEL_FORMAT", path, ascii(str(error))[1:201]) from None
    if "position" not in arrays:
        raise rejected("SKEL_FORMAT", path, "it has no array position")
    for name, axes in (("position", 3), ("pixels", 2)):
        if name in arrays:
            arrays[name] = _shaped(path, name, arrays[name], axes, layout)
    position, size = arrays["position"], arrays.get("size")
    pixels = arrays.get("pixels")
    if pixels is not None and pixels.shape[:3] != position.shape[:3]:
        problem = f"pixels is {pixels.shape}, position is {position.shape}"
        raise rejected("SKEL_FORMAT", path, problem)
    if size is not None and (size.shape != (2,) or not (size >= 1).all() or (size > 1e5).any()):
        raise rejected("SKEL_FORMAT", path, "size is no width and height in px")
    return arrays


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in a way that numpy does not use")
    if info.file_size > MAX_BYTES:
        raise ValueError(f"{name} has {info.file_size} bytes, at most {MAX_BYTES} are read")
    return archive.read(info)


def _array(data: bytes, name: str) -> NDArray[np.float64]:
    """The array of a .npy file. Nothing in it is executed; its size must be what it claims."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"{name} is of an unknown version of .npy")
    shape, fortran, dtype = readers[version](stream)
    if dtype.kind not in "fiu":
        raise ValueError(f"{name} has no numbers, but {ascii(str(dtype))[1:41]}")
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"{name} does not have the {shape} numbers that it announces")
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C").astype(np.float64)


def _shaped(
    path: Path, name: str, array: NDArray[np.float64], axes: int, layout: Layout
) -> NDArray[np.float64]:
    """(T, M, V, `axes`), of one person also without M."""
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[3] != axes or not array.shape[1]:
        problem = f"{name} is {array.shape}, want (T, M, V, {axes})"
        raise rejected("SKEL_FORMAT", path, problem)
    if array.shape[2] != len(layout.joints):
        problem = f"{name} has {array.shape[2]} joints, {layout.name} has {len(layout.joints)}"
        raise rejected("SKEL_COUNT", path, problem, "name the layout of the files")
    return array


def read_csv(path: Path, layout: Layout) -> Arrays:
    """As `read_npz`, of a CSV file with a row per joint; NaN where it has none.

    Raises:
        ClipRejected: As `read_npz`; ``SKEL_EMPTY`` if it has no row.
    """
    _bytes(path)
    number = {joint: at for at, joint in enumerate(layout.joints)}
    found: dict[tuple[int, int, int], tuple[float, ...]] = {}
    columns: tuple[str, ...] = ("x", "y", "z")
    try:
        for line, row in iterate_csv(path, required=("frame", "joint", *columns)):
            if not found and {"u", "v"} <= row.keys():
                columns = ("x", "y", "z", "u", "v")
            place = (
                _whole(row["frame"], "frame", MAX_FRAMES, line),
                _whole(row.get("person", "0"), "person", MAX_CSV_PEOPLE, line),
                number.get(row["joint"], -1),
            )
            if place[2] < 0:
                raise ValueError(
                    f"line {line}: {layout.name} has no joint {ascii(row['joint'])[:40]}"
                )
            if place in found:
                raise ValueError(f"line {line}: this joint stands there twice")
            found[place] = tuple(_number(row[name], name, line) for name in columns)
    except RefusedInput as error:
        raise ClipRejected("SKEL_FORMAT", error.message, remedy=REMEDY) from None
    except ValueError as error:
        raise rejected("SKEL_FORMAT", path, str(error)) from None
    if not found:
        raise rejected("SKEL_EMPTY", path, "not one row")
    frames, people, _ = (max(one) + 1 for one in zip(*found, strict=True))
    values = np.full((frames, people, len(layout.joints), len(columns)), np.nan)
    for place, one in found.items():
        values[place] = one
    arrays = {"position": values[..., :3]}
    return arrays | ({"pixels": values[..., 3:]} if len(columns) > 3 else {})


def _whole(text: str, name: str, limit: int, line: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < limit):
        raise ValueError(
            f"line {line}: {name} {ascii(text)[:40]} is no whole number from 0 to {limit - 1}"
        )
    return int(text)


def _number(text: str, name: str, line: int) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise ValueError(f"line {line}: {name} {ascii(text)[:40]} is no number") from None


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise rejected("SKEL_OPEN", path, f"cannot be read ({error.strerror})") from None


def rejected(code: str, path: Path, problem: str, remedy: str = REMEDY) -> ClipRejected:
    """The error for a file that cannot be used."""
    return ClipRejected(code, f"{path.name!a}: {problem}", remedy=remedy)
