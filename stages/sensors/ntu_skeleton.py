"""One ``.skeleton`` text of NTU RGB+D, read strictly.

The layout: the number of frames; per frame the number of bodies; per body a line of 10 fields,
the number of joints and one line of 12 fields per joint. No count in the file allocates memory:
arrays grow with the lines that are read.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.opening import read_regular

JOINTS = 25
"""Joints of a body, in Kinect v2 order."""

MAX_BYTES = 16 * 2**20
"""Largest file that is read; the longest clips of NTU RGB+D have a third of it."""

MAX_FRAMES = 100_000
"""Most frames of a clip, nearly an hour; the clips of NTU RGB+D have some hundred."""

MAX_BODIES = 64
"""Most bodies in one frame; a Kinect v2 sees six."""

MAX_LINE = 1024
"""Longest line in bytes."""

MAX_VALUE = 1e6
"""Largest magnitude of a coordinate, in m or px."""

_BODY_FIELDS, _JOINT_FIELDS = 10, 12
_COUNT = re.compile(rb"[0-9]{1,9}")
_BODY_ID = re.compile(rb"[0-9]{1,20}")
_NUMBER = re.compile(rb"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_NUMBER_BYTES = b"0123456789+-.eE \t\r\n"
_TRACKING = {b"0", b"1", b"2"}
_REMEDY = "fetch the file again, or leave the sample out"


@dataclass(frozen=True)
class Body:
    """One tracked body of a clip; F frames show it, V = 25 joints in Kinect v2 order.

    Attributes:
        id: The sensor's tracking id; it has up to 20 digits, more than a float keeps.
        frames: int32 (F,), the frames that show it, 0-based and ascending.
        joints: float32 (F, V, 3), x, y, z in m in the sensor's space, y up, z into the room.
        pixels: float32 (F, V, 2), x, y in px of the 1920 x 1080 colour picture.
        states: uint8 (F, V), 0 not tracked, 1 inferred, 2 tracked.
    """

    id: int
    frames: NDArray[np.int32]
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    states: NDArray[np.uint8]


@dataclass(frozen=True)
class NtuSkeleton:
    """The content of a ``.skeleton`` file.

    Attributes:
        frames: T, frames of the clip, those without anybody included.
        bodies: Every body that was ever seen, at least one, sorted by id.
    """

    frames: int
    bodies: tuple[Body, ...]


def read_ntu_skeleton(path: Path) -> NtuSkeleton:
    """Read a ``.skeleton`` file.

    Raises:
        ClipRejected: ``SKEL_OPEN`` if it cannot be read or is too large; as `parse_ntu_skeleton`.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise ClipRejected(
            "SKEL_OPEN", f"{str(path)!a}: cannot be read ({error.strerror})", remedy=_REMEDY
        ) from error
    return parse_ntu_skeleton(data, str(path))


def parse_ntu_skeleton(data: bytes, where: str) -> NtuSkeleton:
    """Parse the text of a ``.skeleton`` file.

    Args:
        data: The whole file.
        where: The file, for messages.

    Raises:
        ClipRejected: ``SKEL_COUNT`` (a count that is no number of 1 to 9 digits, or cannot be
            true), ``SKEL_LINE`` (a line is missing, too long, too many, or not as it has to be),
            ``SKEL_NONFINITE`` (NaN, infinity or a coordinate beyond 10^6) or ``SKEL_EMPTY`` (no
            byte, no frame, or nobody in any frame). All but the last name the line.
    """
    if not data:
        raise ClipRejected("SKEL_EMPTY", f"{where!a}: the file has 0 bytes", remedy=_REMEDY)
    lines = _Lines(data, where)
    frames = lines.count("frames")
    if frames > MAX_FRAMES or 2 * frames > len(data):
        problem = f"{frames} frames, at most {min(MAX_FRAMES, len(data) // 2)} can be"
        raise lines.refused("SKEL_COUNT", problem)
    values = array("d")
    seen: list[tuple[int, int]] = []
    for frame in range(frames):
        ids = [_read_body(lines, values) for _ in range(lines.bodies())]
        if len(set(ids)) != len(ids):
            raise lines.refused("SKEL_LINE", f"frame {frame} shows a body id twice")
        seen += [(name, frame) for name in ids]
    lines.end()
    if not seen:
        raise ClipRejected(
            "SKEL_EMPTY", f"{where!a}: nobody in any of its {frames} frames", remedy=_REMEDY
        )
    return NtuSkeleton(
        frames, _bodies(seen, np.frombuffer(values).reshape(-1, JOINTS, _JOINT_FIELDS))
    )


class _Lines:
    """The file line by line, with the number of the line last read."""

    def __init__(self, data: bytes, where: str) -> None:
        self._file = BytesIO(data)
        self._where = where
        self._number = 0
        # Letters, signs of other scripts and `1_0` would pass for numbers in Python.
        self._plain = not data.translate(None, _NUMBER_BYTES)

    def refused(self, code: str, problem: str, line: int = 0) -> ClipRejected:
        """The refusal of the line last read, or of `line`, for the caller to raise."""
        number = line or self._number
        return ClipRejected(code, f"{self._where!a}, line {number}: {problem}", remedy=_REMEDY)

    def next(self) -> bytes:
        line = self._file.readline(MAX_LINE + 1)
        self._number += 1
        if not line:
            raise self.refused("SKEL_LINE", "the file ends before this line")
        if len(line) > MAX_LINE:
            raise self.refused("SKEL_LINE", f"longer than {MAX_LINE} bytes")
        return line

    def count(self, what: str) -> int:
        text = self.next().strip(b"\r\n ")
        if _COUNT.fullmatch(text) is None:
            raise self.refused("SKEL_COUNT", f"{_printable(text)} is no number of {what}")
        return int(text)

    def bodies(self) -> int:
        bodies = self.count("bodies")
        if bodies > MAX_BODIES:
            raise self.refused("SKEL_COUNT", f"{bodies} bodies in one frame, at most {MAX_BODIES}")
        return bodies

    def fields(self, count: int, ids: int = 0) -> list[bytes]:
        """Fields of the next line; all but the first `ids` of them have to be numbers."""
        line = self.next()
        fields = line.split()
        if len(fields) != count:
            raise self.refused("SKEL_LINE", f"{len(fields)} fields, want {count}")
        if not self._plain and line.translate(None, _NUMBER_BYTES):
            raise self.no_number(fields[ids:], self._number)
        return fields

    def no_number(self, fields: list[bytes], line: int) -> ClipRejected:
        """The refusal of a line whose `fields` are not all finite numbers in range."""
        for text in fields:
            if re.search(rb"nan|inf|#", text, re.IGNORECASE):
                return self.refused("SKEL_NONFINITE", f"{_printable(text)} is not finite", line)
            if _NUMBER.fullmatch(text) is None:
                return self.refused("SKEL_LINE", f"{_printable(text)} is no number", line)
            if abs(float(text)) > MAX_VALUE:
                return self.refused("SKEL_NONFINITE", f"{_printable(text)} is out of range", line)
        return self.refused("SKEL_LINE", "it holds more than numbers and spaces", line)

    def joints(self, values: array[float]) -> None:
        """Append the 12 numbers of each of 25 joints to `values`."""
        first = self._number + 1
        fields = [self.fields(_JOINT_FIELDS) for _ in range(JOINTS)]
        try:
            numbers = [float(text) for row in fields for text in row]
        except ValueError:
            raise self._first_bad(fields, first) from None
        if min(numbers) < -MAX_VALUE or max(numbers) > MAX_VALUE:
            raise self._first_bad(fields, first)
        if not {row[-1] for row in fields} <= _TRACKING:
            bad = next(i for i, row in enumerate(fields) if row[-1] not in _TRACKING)
            problem = f"{_printable(fields[bad][-1])} is no tracking state"
            raise self.refused("SKEL_LINE", problem, first + bad)
        values.extend(numbers)

    def _first_bad(self, rows: list[list[bytes]], first: int) -> ClipRejected:
        bad = next(i for i, row in enumerate(rows) if not all(map(_good, row)))
        return self.no_number(rows[bad], first + bad)

    def end(self) -> None:
        for line in self._file:
            self._number += 1
            if line.strip():
                raise self.refused("SKEL_LINE", "text after the last frame")


def _good(text: bytes) -> bool:
    return _NUMBER.fullmatch(text) is not None and abs(float(text)) <= MAX_VALUE


def _printable(text: bytes) -> str:
    return ascii(text[:40].decode("utf-8", "backslashreplace"))


def _read_body(lines: _Lines, values: array[float]) -> int:
    """Append one body's joints to `values`; its id."""
    fields = lines.fields(_BODY_FIELDS, ids=1)
    if _BODY_ID.fullmatch(fields[0]) is None:
        raise lines.refused("SKEL_LINE", f"{_printable(fields[0])} is no body id")
    if not all(map(_good, fields[1:])):
        raise lines.no_number(fields[1:], 0)
    joints = lines.count("joints")
    if joints != JOINTS:
        raise lines.refused("SKEL_COUNT", f"{joints} joints, want {JOINTS}")
    lines.joints(values)
    return int(fields[0])


def _bodies(seen: list[tuple[int, int]], values: NDArray[np.float64]) -> tuple[Body, ...]:
    """The bodies by id; `values` is (F of all bodies, V, 12) in the order of `seen`."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, (name, _) in enumerate(seen):
        rows[name].append(row)
    frames = np.array([frame for _, frame in seen], np.int32)
    return tuple(
        Body(
            id=name,
            frames=frames[own],
            joints=values[own, :, 0:3].astype(np.float32),
            pixels=values[own, :, 5:7].astype(np.float32),
            states=values[own, :, 11].astype(np.uint8),
        )
        for name, own in sorted(rows.items())
    )
