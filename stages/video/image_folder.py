"""A clip as a folder of images, one per frame, such as Northwestern-UCLA's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.cache.pictures.picture_headers import picture_size
from stroi.stages.video.decoding.decoder import printable
from stroi.stages.video.decoding.opening import MAX_SIDE, MIN_SIDE
from stroi.stages.video.frames import FrameSource, other_size
from stroi.stages.video.orientation import Orientation, of_image

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
cv2.setNumThreads(1)

MAX_BYTES = 2**26
"""Largest image file that is read."""

_NUCLA = re.compile(r"frame_(?P<number>\d{1,9})_tc_(?P<time>\d{1,18})_rgb\.jpg", re.ASCII)
"""Northwestern-UCLA: its frame number, then a time code; depth maps are among them."""

_PLAIN = re.compile(
    r"(?P<before>.*?)(?P<number>\d{1,9})(?P<after>\.(?:jpg|jpeg|png))", re.ASCII | re.IGNORECASE
)
"""A running number in front of the suffix."""


class FolderFrames(FrameSource):
    """The images of a folder in the order of its frame numbers, each (H, W, 3) uint8 BGR.

    Args:
        path: The folder; see `list_images` for the names of its files.
        start: First frame of the clip, counted from 0 whatever the number of the first file.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `list_images`; while iterating ``VIDEO_FRAMES`` (a file cannot be read or
            decoded), ``VIDEO_SIZE`` and ``VIDEO_SEGMENT``.
    """

    def __init__(self, path: Path, start: int = 0, stop: int = 0) -> None:
        self._files = list_images(path)
        super().__init__(path, start, stop)

    def _step(self) -> bool:
        return self._read < len(self._files)

    def _pixels(self) -> NDArray[np.uint8]:
        return self._upright(*read_image(self._files[self._read - 1]))

    def _release(self) -> None:
        self._files = ()


def list_images(folder: Path) -> tuple[Path, ...]:
    """The frames of a clip in order.

    They are named ``frame_<number>_tc_<time>_rgb.jpg``, as in Northwestern-UCLA, or else all
    alike but for a running number at the end, such as ``img_00012.png``. The numbers are read as
    numbers, begin anywhere, and leave none out. Files that are no JPEG or PNG by their name are
    ignored; where there are names of the first kind, so are all others. Of two pictures that
    Northwestern-UCLA gives one number, as it does in some clips, the later one counts.

    Raises:
        ClipRejected: ``VIDEO_OPEN`` if the folder cannot be read, ``VIDEO_EMPTY`` if it holds no
            frame, ``VIDEO_FRAMES`` if a number is missing or is there twice,
            ``VIDEO_NAMES`` if its images are named in different ways.
    """
    try:
        names = sorted(file.name for file in folder.iterdir())
    except OSError as error:
        raise _rejected("VIDEO_OPEN", folder, f"cannot be read ({error.strerror})") from None
    images = _latest(match for name in names if (match := _NUCLA.fullmatch(name)))
    if not images:
        images = [match for name in names if (match := _PLAIN.fullmatch(name))]
        _check_alike(folder, images)
    if not images:
        raise _rejected("VIDEO_EMPTY", folder, "holds no numbered JPEG or PNG image")
    numbered = sorted((int(match["number"]), match[0]) for match in images)
    for (before, one), (number, other) in pairwise(numbered):
        if number == before:
            raise _rejected(
                "VIDEO_FRAMES", folder, f"{one!a} and {other!a} are both frame {number}"
            )
        if number > before + 1:
            raise _rejected(
                "VIDEO_FRAMES",
                folder,
                f"frame {before + 1} is missing, {other!a} comes after {one!a}",
            )
    return tuple(folder / name for _, name in numbered)


def _latest(pictures: Iterable[re.Match[str]]) -> list[re.Match[str]]:
    """Of each frame number the picture with the latest time code."""
    in_time = sorted(pictures, key=lambda picture: (int(picture["time"]), picture[0]))
    return list({int(picture["number"]): picture for picture in in_time}.values())


def folder_digest(folder: Path) -> tuple[str, int]:
    """SHA-256 over the contents of a clip's frames in order, hexadecimal, and their bytes.

    Neither the names nor times nor other files in the folder matter.

    Raises:
        ClipRejected: As `list_images`; ``VIDEO_FRAMES`` if a file cannot be read.
    """
    digests, total = [], 0
    for file in list_images(folder):
        data = _content(file)
        digests.append(sha256_bytes(data))
        total += len(data)
    return digest(digests), total


def read_image(file: Path) -> tuple[NDArray[np.uint8], Orientation]:
    """Decode one JPEG or PNG file.

    Returns:
        (H, W, 3) uint8 BGR as stored, and how its EXIF block says that it has to be turned.

    Raises:
        ClipRejected: ``VIDEO_FRAMES`` if it cannot be read, is cut or damaged, ``VIDEO_SIZE`` if
            its sides are not `MIN_SIDE` to `MAX_SIDE` px.
    """
    data = _content(file)
    width, height = _stored_size(file, data)
    try:
        frame = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except (cv2.error, MemoryError):
        frame = None
    if frame is None or frame.shape != (height, width, 3):
        raise _rejected("VIDEO_FRAMES", file, "cannot be decoded")
    return np.asarray(frame, np.uint8), of_image(data)


def check_images(folder: Path) -> None:
    """Check the headers of a clip's images, without decoding them.

    Raises:
        ClipRejected: As `list_images`; ``VIDEO_FRAMES`` and ``VIDEO_SIZE`` as `read_image`, and
            ``VIDEO_SIZE`` if two images have different sizes.
    """
    first: tuple[int, int] | None = None
    for number, file in enumerate(list_images(folder)):
        data = _content(file)
        width, height = _stored_size(file, data)
        size = (height, width) if of_image(data).transpose else (width, height)
        first = first or size
        if size != first:
            raise other_size(folder, number, size, first)


def _stored_size(file: Path, data: bytes) -> tuple[int, int]:
    """Width and height of an image by its header."""
    try:
        width, height = picture_size(data, "JPEG", "PNG")
    except ValueError as error:
        raise _rejected("VIDEO_FRAMES", file, str(error)) from None
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise ClipRejected(
            "VIDEO_SIZE",
            f"{printable(file)}: an image of {width} x {height} px",
            remedy=f"use images with sides from {MIN_SIDE} to {MAX_SIDE} px",
        )
    return width, height


def _check_alike(folder: Path, images: list[re.Match[str]]) -> None:
    kinds: dict[tuple[str, str], str] = {}
    for match in images:
        kinds.setdefault((match["before"], match["after"]), match[0])
    if len(kinds) > 1:
        one, other = sorted(kinds.values())[:2]
        raise _rejected("VIDEO_NAMES", folder, f"{one!a} and {other!a} are named in different ways")


def _content(file: Path) -> bytes:
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        raise _rejected("VIDEO_FRAMES", file, f"cannot be read ({error.strerror})") from None


def _rejected(code: str, path: Path, problem: str) -> ClipRejected:
    return ClipRejected(
        code,
        f"{printable(path)}: {problem}",
        remedy="keep one clip per folder, its frames numbered without gaps",
    )
