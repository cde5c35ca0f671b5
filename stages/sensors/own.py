"""Skeletons of one's own: a .npz or .csv file per clip (docs/own-skeletons.md).

Legend of shapes: T frames of the file, M people in it, P people of the clip, V joints.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.cache.files.opening import read_regular
from stroi.cache.layouts import Layout
from stroi.cache.rois import MAX_PEOPLE, PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.pipeline.index.csv import iterate_csv
from stroi.pipeline.params.own_skeletons import CameraParams, OwnSkeletonParams
from stroi.stages.sensors.segment import select_segment

MAX_BYTES = 64 * 2**20
"""Largest file, and largest array in one; a minute of two people with 35 joints has 3 MB."""

MAX_FRAMES = 100_000
"""Most frames of a CSV file."""

MAX_CSV_PEOPLE = 64
"""Most people in a CSV file."""

MAX_METRES = 100.0
"""Largest magnitude of a coordinate in m."""

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}

_REMEDY = "write the file as docs/own-skeletons.md says, or leave the clip out"
_Arrays = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class OwnSkeleton:
    """The people of a whole file, from left to right.

    Attributes:
        position: (T, P, V, 3) float32, m; zeros where a joint is absent.
        present: (T, P, V) bool.
        pixels: (T, P, V, 2) float32, px of the picture, zeros where a joint is not in front of the
            camera; None if neither the file nor a camera says.
        size: Width and height in px of that picture; None if it is the video's own.
    """

    position: NDArray[np.float32]
    present: NDArray[np.bool_]
    pixels: NDArray[np.float32] | None
    size: tuple[int, int] | None


def read_joints(
    path: Path,
    own: OwnSkeletonParams,
    camera: str = "",
    start: int = 0,
    stop: int = 0,
    *,
    people: int = PAPER_PEOPLE,
) -> JointClip:
    """The joints of one clip, a whole file or a segment of it.

    Raises:
        ClipRejected: As `read_own` and `stroi.stages.sensors.segment.select_segment`.
    """
    whole = read_own(path, own, camera, people)
    position = np.zeros((len(whole.position), people, *whole.position.shape[2:]), np.float32)
    state = np.zeros(position.shape[:3], np.uint8)
    count = whole.position.shape[1]
    position[:, :count], state[:, :count] = whole.position, 2 * whole.present
    clip = JointClip(position, state, count, own.joints, 0.0)
    return select_segment(clip, path, start, stop)


def read_own(
    path: Path, own: OwnSkeletonParams, camera: str = "", most: int = PAPER_PEOPLE
) -> OwnSkeleton:
    """The people of a file.

    A joint is absent where a coordinate is NaN, or all three are 0. The file's own pixels count,
    else those that the camera gives.

    Args:
        path: The file.
        own: Joints, unit and cameras.
        camera: The index's name of the clip's camera.
        most: Most people that it may have.

    Raises:
        ClipRejected: ``SKEL_OPEN`` (cannot be read, or too large), ``SKEL_FORMAT`` (no such file as
            the docs describe), ``SKEL_COUNT`` (other joints than the layout's, or more people than
            `most`), ``SKEL_NONFINITE`` (infinite, or beyond 100 m) or ``SKEL_EMPTY`` (no frame, or
            no joint in any).
    """
    layout = own.joints
    read = _read_npz if path.name.lower().endswith(".npz") else _read_csv
    arrays = read(path, layout)
    position = arrays["position"]
    if np.isinf(position).any():
        raise _rejected("SKEL_NONFINITE", path, "a coordinate is infinite")
    present = np.isfinite(position).all(axis=3) & (position != 0).any(axis=3)  # (T, M, V)
    people = np.unique(np.nonzero(present)[1])
    if not len(people):
        raise _rejected("SKEL_EMPTY", path, f"not one joint in {len(position)} frames")
    if len(people) > most:
        more = f", or set skeletons.people to {len(people)}" if len(people) <= MAX_PEOPLE else ""
        problem = f"{len(people)} people, a clip has at most {most} (skeletons.people)"
        raise _rejected("SKEL_COUNT", path, problem, f"keep those who act{more}")
    position, present = position[:, people], present[:, people]
    metres = position * UNITS[own.unit]
    if np.abs(metres[present]).max() > MAX_METRES:
        frame = int(np.argwhere(np.abs(metres) > MAX_METRES)[0, 0])
        remedy = f"set skeletons.own.unit, which is {own.unit}, to the unit of the files"
        raise _rejected("SKEL_NONFINITE", path, f"frame {frame}: beyond {MAX_METRES:g} m", remedy)
    pixels, size = _pixels(arrays, people, position, own.camera(camera))
    seen = metres if pixels is None else pixels
    order = sorted(range(len(people)), key=lambda one: _left(seen[:, one], present[:, one]))
    kept = present[:, order]
    shown = None
    if pixels is not None:
        known = kept & np.isfinite(pixels[:, order]).all(axis=3)
        shown = _zero_where_not(known, pixels[:, order])
    return OwnSkeleton(_zero_where_not(kept, metres[:, order]), kept, shown, size)


def _zero_where_not(known: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(known[..., None], values, 0).astype(np.float32)


def project(points: NDArray[np.float64], camera: CameraParams) -> NDArray[np.float64]:
    """Where points are in a camera's picture.

    Args:
        points: (..., 3) in the unit of the camera's translation.
        camera: The camera.

    Returns:
        (..., 2) px; NaN for points that are not in front of it.
    """
    seen = points @ np.array(camera.rotation).T + np.array(camera.translation)
    front = seen[..., 2] > 0
    matrix = np.array(
        [[camera.focal[0], 0, camera.centre[0]], [0, camera.focal[1], camera.centre[1]], [0, 0, 1]]
    )
    flat = np.where(front[..., None], seen, (0.0, 0.0, 1.0)).reshape(-1, 3)
    lens = np.array(camera.distortion) if camera.distortion else None
    pixels, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, lens)
    return np.where(front[..., None], pixels.reshape(*points.shape[:-1], 2), np.nan)


def _pixels(
    arrays: Mapping[str, NDArray[np.float64]],
    people: NDArray[np.intp],
    position: NDArray[np.float64],
    camera: CameraParams | None,
) -> tuple[NDArray[np.float64] | None, tuple[int, int] | None]:
    """(T, P, V, 2) px of the chosen people, NaN where unknown, and the size of the picture."""
    if "pixels" in arrays:
        pixels = arrays["pixels"][:, people]
        # A place that is not given is (0, 0) in the files of many estimators.
        pixels = np.where(pixels.any(axis=3, keepdims=True), pixels, np.nan)
        size = arrays.get("size")
        return pixels, None if size is None else (int(size[0]), int(size[1]))
    return (None, None) if camera is None else (project(position, camera), camera.size)


def _left(places: NDArray[np.float64], present: NDArray[np.bool_]) -> float:
    """Median x of a person's joints, those that have one."""
    x = places[..., 0][present & np.isfinite(places[..., 0])]
    return float(np.median(x)) if len(x) else math.inf


def _read_npz(path: Path, layout: Layout) -> _Arrays:
    data = _bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {info.filename for info in archive.infolist()}
            present = [one for one in ("position", "pixels", "size") if f"{one}.npy" in names]
            arrays = {one: _array(_member(archive, f"{one}.npy"), one) for one in present}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        problem = f"is no .npz file ({ascii(str(error))[1:61]})"
        raise _rejected("SKEL_FORMAT", path, problem) from None
    except ValueError as error:
        raise _rejected("SKEL_FORMAT", path, ascii(str(error))[1:201]) from None
    if "position" not in arrays:
        raise _rejected("SKEL_FORMAT", path, "it has no array position")
    for name, axes in (("position", 3), ("pixels", 2)):
        if name in arrays:
            arrays[name] = _shaped(path, name, arrays[name], axes, layout)
    position, size = arrays["position"], arrays.get("size")
    pixels = arrays.get("pixels")
    if pixels is not None and pixels.shape[:3] != position.shape[:3]:
        problem = f"pixels is {pixels.shape}, position is {position.shape}"
        raise _rejected("SKEL_FORMAT", path, problem)
    if size is not None and (size.shape != (2,) or not (size >= 1).all() or (size > 1e5).any()):
        raise _rejected("SKEL_FORMAT", path, "size is no width and height in px")
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
        raise _rejected("SKEL_FORMAT", path, problem)
    if array.shape[2] != len(layout.joints):
        problem = f"{name} has {array.shape[2]} joints, {layout.name} has {len(layout.joints)}"
        raise _rejected("SKEL_COUNT", path, problem, "name the layout of the files")
    return array


def _read_csv(path: Path, layout: Layout) -> _Arrays:
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
        raise ClipRejected("SKEL_FORMAT", error.message, remedy=_REMEDY) from None
    except ValueError as error:
        raise _rejected("SKEL_FORMAT", path, str(error)) from None
    if not found:
        raise _rejected("SKEL_EMPTY", path, "not one row")
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
        raise _rejected("SKEL_OPEN", path, f"cannot be read ({error.strerror})") from None


def _rejected(code: str, path: Path, problem: str, remedy: str = _REMEDY) -> ClipRejected:
    return ClipRejected(code, f"{path.name!a}: {problem}", remedy=remedy)
