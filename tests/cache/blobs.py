"""Good and hostile pictures in blobs."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.codecs import encode_picture

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
    exif = segment(
        0xFFE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    )
    frame = bytes.fromhex("08 0014 000c 04 01 11 00 02 11 00 03 11 00 04 11 00")
    old = jpeg[jpeg.index(b"\xff\xc0") :][:19]
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    animation = b"\x02\0\0\0" + struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    not_jpeg, not_webp = "is not a JPEG picture", "is not a lossless WebP picture"
    first = "does not start with one JFIF header"
    cut = "is cut, or goes on behind its only scan"
    return {
        "empty": (b"", not_jpeg),
        "soi only": (b"\xff\xd8", "is cut after 2 bytes"),
        "png": (written(".png"), not_jpeg),
        "tiff": (written(".tiff"), not_jpeg),
        "bmp": (written(".bmp"), not_jpeg),
        "ppm": (written(".ppm"), not_jpeg),
        "gif": (b"GIF89a" + bytes(40), not_jpeg),
        "exr": (b"v/1\x01" + bytes(40), not_jpeg),
        "playlist": (b"#EXTM3U\nfile:///etc/passwd\n", not_jpeg),
        "avi": (b"RIFF" + struct.pack("<I", 40) + b"AVI " + bytes(32), not_webp),
        "higher jpeg": (encode_picture(smooth(21, 12), "jpeg", 90), "is 21 x 12 px, declared 20"),
        "huge jpeg": (changed(jpeg, b"\xff\xc0", 5, b"\xff\xff\xff\xff"), "is 65535 x 65535 px"),
        "progressive": (written(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "segment FFC2"),
        "restart markers": (written(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1), "segment FFDD"),
        "grey": (written(".jpg", picture=grey), "does not have 3 colours of 8 bits"),
        "cmyk": (jpeg.replace(old, segment(0xFFC0, frame)), "does not have 3 colours of 8 bits"),
        "12 bits": (changed(jpeg, b"\xff\xc0", 4, b"\x0c"), "does not have 3 colours of 8 bits"),
        "odd sampling": (changed(jpeg, b"\xff\xc0", 11, b"\x41"), "colours sampled as ours never"),
        "arithmetic": (changed(jpeg, b"\xff\xc0", 1, b"\xc9"), "segment FFC9"),
        "two frames": (behind(jpeg, 0xFFC0, old), "segment FFC0"),
        "no frame": (jpeg.replace(old, b""), "has no baseline frame before its data"),
        "exif": (behind(jpeg, 0xFFE0, exif), "segment FFE1"),
        "exif first": (jpeg[:2] + exif + jpeg[2:], first),
        "adobe": (behind(jpeg, 0xFFE0, segment(0xFFEE, b"Adobe" + bytes(7))), "segment FFEE"),
        "comment": (behind(jpeg, 0xFFE0, segment(0xFFFE, b"hi")), "segment FFFE"),
        "two headers": (behind(jpeg, 0xFFE0, segment(0xFFE0, b"JFIF\0" + bytes(9))), first),
        "no header": (jpeg[:2] + jpeg[20:], first),
        "not jfif": (changed(jpeg, b"JFIF", 0, b"JFXX"), first),
        "many tables": (
            behind(jpeg, 0xFFE0, segment(0xFFDB, bytes(65)) * 40),
            "has more than 32 JPEG segments",
        ),
        "short segment": (changed(jpeg, b"\xff\xdb", 2, b"\0\x01"), "segment FFDB does not fit"),
        "long segment": (changed(jpeg, b"\xff\xdb", 2, b"\xff\xff"), "segment FFDB does not fit"),
        "one colour a scan": (
            behind(jpeg, 0xFFC0, segment(0xFFDA, bytes.fromhex("01 01 00 00 3f 00"))),
            "does not hold all colours in one scan",
        ),
        "spectral scan": (changed(jpeg, b"\xff\xda", 11, b"\x01"), "not hold all colours in one"),
        "other colours in the scan": (changed(jpeg, b"\xff\xda", 5, b"\x09"), "all colours in one"),
        "a second scan": (jpeg[:-2] + jpeg[jpeg.index(b"\xff\xda") :], cut),
        "lines later": (jpeg[:-2] + segment(0xFFDC, b"\xff\xff") + b"\xff\xd9", cut),
        "jpeg twice": (jpeg + jpeg, cut),
        "jpeg and zip": (jpeg + b"PK\x03\x04", cut),
        "jpeg without end": (jpeg[:-2], cut),
        "jpeg cut": (jpeg[:100], "does not fit the file"),
        "jpeg ends in ff": (jpeg[:-1], cut),
        "wider webp": (encode_picture(smooth(20, 13), "webp", None), "is 20 x 13 px, declared 20"),
        "lossy webp": (written(".webp", cv2.IMWRITE_WEBP_QUALITY, 80), not_webp),
        "alpha webp": (
            container((b"VP8L", written(".webp", 64, 101, picture=alpha)[20:])),
            "has an alpha channel",
        ),
        "webp of another version": (
            changed(webp, b"VP8L", 12, bytes([webp[24] | 0x20])),
            "has an alpha channel or a version",
        ),
        "animated webp": (
            container((b"VP8X", animation), (b"ANIM", bytes(6)), (b"ANMF", bytes(16) + chunk)),
            not_webp,
        ),
        "extended webp": (container((b"VP8X", bytes(10)), (b"VP8L", chunk)), not_webp),
        "webp with metadata": (container((b"VP8L", chunk), (b"EXIF", b"MM\0*")), "says otherwise"),
        "webp and zip": (webp + b"PK\x03\x04", "its header says otherwise"),
        "webp cut": (webp[:-2], "its header says otherwise"),
        "webp header only": (webp[:21], "is cut after 21 bytes"),
    }
