"""Pictures as blobs: the codecs of the compact form, and decoding that trusts no blob.

OpenCV is loaded when the first picture is encoded or decoded.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError, StroiError, refuse
from stroi.cache.pictures.picture_headers import check_header

Codec = Literal["jpeg", "webp"]

DEFAULT_QUALITY = 90
"""JPEG quality when none is given.

On mosaics of real videos at 225 and 480 px (benchmarks/results/cache_read.md) it takes 0.086 and
0.048 of the training form's size and is read at least 1.7 times as fast as a folder of JPEG files
of quality 95. Quality 95 would take 0.114 of the size at 225 px, near the eighth that is allowed;
full colour resolution costs a fifth of the speed.
"""

_LOSSLESS = 101  # OpenCV takes any WebP quality above 100 for lossless
_LARGE_BLOCK = 1 << 24


def check_codec(codec: str, quality: int | None) -> tuple[Codec, int | None]:
    """The codec and its quality, the default put in.

    Args:
        codec: ``jpeg`` (lossy) or ``webp`` (lossless).
        quality: JPEG quality from 1 to 100; None for `DEFAULT_QUALITY`. WebP has none.

    Raises:
        ParamsError: ``CODEC`` if there is no such codec or quality.
    """
    if codec not in get_args(Codec):
        names = ", ".join(get_args(Codec))
        raise ParamsError("CODEC", f"there is no codec {codec!a}", remedy=f"use one of {names}")
    if codec == "webp":
        if quality is not None:
            raise ParamsError(
                "CODEC", "webp is lossless and has no quality", remedy="leave the quality out"
            )
        return "webp", None
    if quality is not None and not 1 <= quality <= 100:
        raise ParamsError("CODEC", f"there is no quality {quality}", remedy="use 1 to 100")
    return "jpeg", DEFAULT_QUALITY if quality is None else quality


def encode_picture(picture: NDArray[np.uint8], codec: Codec, quality: int | None) -> bytes:
    """One picture as a blob; equal bytes for equal pictures and the same OpenCV.

    JPEG halves the colours' resolution (4:2:0), as most cameras' and all common data sets' files
    do, and has Huffman tables of its own.

    Args:
        picture: (H, W, 3) uint8 RGB, each side up to `stroi.cache.storage.formats.MAX_SIDE`.
        codec: ``jpeg`` or ``webp`` (lossless).
        quality: JPEG quality from 1 to 100; None for WebP.

    Raises:
        StroiError: ``OPENCV_MISSING``; ``IMAGE_ENCODE`` if OpenCV cannot do it.
    """
    cv2 = opencv()
    if codec == "webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS]
    else:
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            cv2.IMWRITE_JPEG_OPTIMIZE,
            1,
        ]
    # Swapping the colours needs a copy: OpenCV takes no reversed axis.
    swapped = np.ascontiguousarray(picture[..., ::-1])
    done, blob = cv2.imencode("." + codec, swapped, options)
    if not done:
        raise StroiError("IMAGE_ENCODE", f"OpenCV {cv2.__version__} could not write {codec}")
    data: bytes = blob.tobytes()
    return data


def decode_picture(blob: NDArray[np.uint8] | bytes, out: NDArray[np.uint8], where: str) -> None:
    """Decode a blob into an array, if it is nothing but a picture of that array's size.

    Its header is read first, so that OpenCV's decoders of other formats and larger pictures are
    out of a blob's reach.

    Args:
        blob: The whole blob, JPEG or lossless WebP.
        out: (H, W, 3) uint8, filled with RGB.
        where: The file and the sample, for messages.

    Raises:
        RefusedInput: ``IMAGE_HEADER`` or ``IMAGE_DECODE``.
        StroiError: ``OPENCV_MISSING``.
    """
    # A copy: the file under a mapped blob may change between check and use.
    data = bytes(blob)
    check_header(data, out.shape[0], out.shape[1], where)
    cv2 = opencv()
    _keep_freed_memory()
    # Not in OpenCV 4.9 and 4.10, where the colours are swapped afterwards.
    straight: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)
    flags = cv2.IMREAD_COLOR if straight is None else straight
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape != out.shape or decoded.dtype != np.uint8:
        raise refuse("IMAGE_DECODE", f"{where} cannot be decoded")
    out[...] = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB) if straight is None else decoded


@cache
def _keep_freed_memory() -> None:
    """Make the C library reuse the memory of one picture for the next.

    glibc learns from the blocks that are freed. Without a large one it hands every picture of more
    than 128 KiB back to the system, and the page faults of the next cost up to half the speed.
    """
    np.empty(_LARGE_BLOCK, np.uint8)


def opencv() -> Any:
    """The module cv2.

    Raises:
        StroiError: ``OPENCV_MISSING``.
    """
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise StroiError(
            "OPENCV_MISSING",
            "the compact form of mosaics needs OpenCV, which is not installed",
            remedy="pip install opencv-python-headless",
        ) from error
