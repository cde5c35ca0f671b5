"""How a picture has to be turned to be upright: display matrices of videos, EXIF tags of images."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TAG = 0x0112
"""EXIF's number for the orientation."""

_SHORT = 3
_EXIF_SEARCHED = 2**18
"""An EXIF block lies at the start of an image, within so many bytes."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to store an upright picture.

    Attributes:
        transpose: Exchange rows and columns, first.
        mirror_x: Then reverse every row.
        mirror_y: Then reverse the order of the rows.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture.

        Args:
            picture: (H, W, 3), as stored.

        Returns:
            (H, W, 3), or (W, H, 3) if it is transposed.
        """
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.mirror_x:
            picture = picture[:, ::-1]
        if self.mirror_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)

    def __str__(self) -> str:
        """What is done, such as ``turned by 90 degrees clockwise``; empty if nothing."""
        return _WORDS[self.transpose, self.mirror_x, self.mirror_y]


_WORDS = {
    (False, False, False): "",
    (False, True, False): "mirrored from left to right",
    (False, False, True): "mirrored from top to bottom",
    (False, True, True): "turned by 180 degrees",
    (True, False, False): "mirrored from left to right and turned by 270 degrees clockwise",
    (True, True, False): "turned by 90 degrees clockwise",
    (True, False, True): "turned by 270 degrees clockwise",
    (True, True, True): "mirrored from left to right and turned by 90 degrees clockwise",
}

UPRIGHT = Orientation()

_BY_EXIF = {
    2: Orientation(mirror_x=True),
    3: Orientation(mirror_x=True, mirror_y=True),
    4: Orientation(mirror_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, mirror_x=True),
    7: Orientation(transpose=True, mirror_x=True, mirror_y=True),
    8: Orientation(transpose=True, mirror_y=True),
}


def of_matrix(matrix: bytes) -> Orientation:
    """The orientation that a display matrix asks for.

    Args:
        matrix: Nine int32 a, b, u, c, d, v, x, y, w, as FFmpeg has them: a pixel (x, y) is shown
            at (a x + c y, b x + d y). Angles between are taken for the nearest quarter turn.
    """
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def of_image(data: bytes) -> Orientation:
    """The orientation that the EXIF block of a JPEG or PNG file asks for.

    Args:
        data: The file, or its beginning; a block that is damaged counts as absent.
    """
    for mark in (b"Exif\0\0", b"eXIf"):
        place = data.find(mark, 0, _EXIF_SEARCHED)
        if place >= 0:
            return _BY_EXIF.get(_exif_orientation(data[place + len(mark) :][:65536]), UPRIGHT)
    return UPRIGHT


def _exif_orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 0
        (place,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if (tag, kind) == (_TAG, _SHORT):
                return int(struct.unpack_from(f"{order}H", tiff, entry + 8)[0])
    except struct.error:
        pass
    return 0
