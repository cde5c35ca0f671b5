"""Good and hostile pictures in blobs."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.pictures.codecs import encode_picture

HEIGHT, WIDTH = 20, 12


def noise(height: int = HEIGHT, width: int = WIDTH, *, seed: int = 0) -> NDArray[np.uint8]:
    """Random pixels (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A gradient with another direction in each colour (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    planes = (8 * y, 255 - 6 * x, 4 * y + 5 * x)
    return np.stack([np.clip(plane, 0, 255) for plane in planes], axis=2).astype(np.uint8)


def good() -> dict[str, bytes]:
    """One good blob of each codec."""
    return {
        "jpeg": encode_picture(smooth(), "jpeg", 90),
        "webp": encode_picture(smooth(), "webp", None),
    }


def written(ending: str, *options: int, picture: NDArray[np.uint8] | None = None) -> bytes:
    """What OpenCV writes, options and all."""
    done, blob = cv2.imencode(ending, smooth() if picture is None else picture, options)
    assert done
    return blob.tobytes()


def segment(code: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">HH", code, len(body) + 2) + body


def behind(data: bytes, code: int, extra: bytes) -> bytes:
    """A JPEG with something put behind its first segment `code`."""
    start = data.index(struct.pack(">H", code))
    end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
    return data[:end] + extra + data[end:]


def changed(data: bytes, marker: bytes, at: int, value: bytes) -> bytes:
    """Some bytes overwritten, `at` bytes behind the first `marker`."""
    start = data.index(marker) + at
    return data[:start] + value + data[start + len(value) :]


def container(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP container of these chunks."""
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def hostile() -> dict[str, tuple[bytes, str]]:
    """Blobs that no decoder may see, each with a part of its refusal."""
    blobs = good()
    jpeg, webp = blobs["jpeg"], blobs["webp"]
    chunk = webp[20 : 20 + struct.unpack_from("<I", webp, 16)[0]]
    frame = jpeg[jpeg.index(b"\xff\xc0") :][:19]
    other, jpeg_cut = "no JPEG or WebP image (it begins with b'", "a JPEG image that is cut"
    no_header, webp_cut = "a JPEG image without its header", "a WebP image that is cut"
    return {
        "empty": (b"", other),
        "soi only": (b"\xff\xd8", other),
        "png": (written(".png"), other),
        "tiff": (written(".tiff"), other),
        "bmp": (written(".bmp"), other),
        "ppm": (written(".ppm"), other),
        "gif": (b"GIF89a" + bytes(40), other),
        "exr": (b"v/1\x01" + bytes(40), other),
        "playlist": (b"#EXTM3U\nfile:///etc/passwd\n", other),
        "avi": (b"RIFF" + struct.pack("<I", 40) + b"AVI " + bytes(32), other),
        "higher jpeg": (encode_picture(smooth(21, 12), "jpeg", 90), "is 21 x 12 px, declared 20"),
        "huge jpeg": (changed(jpeg, b"\xff\xc0", 5, b"\xff\xff\xff\xff"), "is 65535 x 65535 px"),
        "no frame": (jpeg.replace(frame, b""), no_header),
        "short segment": (changed(jpeg, b"\xff\xdb", 2, b"\0\x01"), no_header),
        "long segment": (changed(jpeg, b"\xff\xdb", 2, b"\xff\xff"), no_header),
        "jpeg and zip": (jpeg + b"PK\x03\x04", jpeg_cut),
        "jpeg without end": (jpeg[:-2], jpeg_cut),
        "jpeg cut": (jpeg[:100], jpeg_cut),
        "jpeg ends in ff": (jpeg[:-1], jpeg_cut),
        "wider webp": (encode_picture(smooth(20, 13), "webp", None), "is 20 x 13 px, declared 20"),
        "lossy webp": (written(".webp", cv2.IMWRITE_WEBP_QUALITY, 80), other),
        "extended webp": (container((b"VP8X", bytes(10)), (b"VP8L", chunk)), other),
        "webp and zip": (webp + b"PK\x03\x04", webp_cut),
        "webp cut": (webp[:-2], webp_cut),
        "webp header only": (webp[:21], webp_cut),
    }
