"""Compact shards: the same samples as a training shard's, each mosaic as one blob.

Legend of shapes: N clips, F bytes of all blobs, H and W mosaic height and width in pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import refuse
from stroi.cache.ids import ids_from_array
from stroi.cache.pictures.codecs import Codec, decode_picture, encode_picture, opencv
from stroi.cache.storage.formats import MAX_SIDE, MOSAIC_METADATA
from stroi.cache.storage.schema import ID_FIELD, Array, Arrays
from stroi.cache.storage.strict_json import JsonNode

MAX_SHARD_PIXELS = 2_000_000_000
"""Most bytes of pixels that the blobs of one shard may become, so that it can be checked."""

EQUAL_DB = 99.0
"""PSNR that counts for equal pictures, whose true one is infinite."""

_CODEC = re.compile("jpeg|webp")
_HEX = re.compile(rb"[0-9a-f]{64}")
_SLACK = 1 << 16


def to_compact(
    arrays: Arrays,
    origin_sha256: Sequence[str],
    codec: Codec,
    quality: int | None,
    *,
    on_sample: Callable[[int], None],
    where: str,
) -> dict[str, Array]:
    """The arrays of a training shard as those of a compact one.

    Args:
        arrays: Arrays of `stroi.cache.storage.formats.MOSAICS`; each mosaic is read once.
        origin_sha256: Digest of each sample, N, as `stroi.cache.storage.schema.sample_digests`.
        codec: ``jpeg`` or ``webp`` (lossless).
        quality: JPEG quality from 1 to 100; None for WebP.
        on_sample: Called with 1 after each sample.
        where: The file, for messages.

    Returns:
        Arrays of `stroi.cache.storage.formats.MOSAICS_COMPACT`.

    Raises:
        RefusedInput: ``IMAGE_SIZE`` if the mosaics are too large or too many.
        StroiError: ``OPENCV_MISSING`` or ``IMAGE_ENCODE``.
    """
    mosaics = arrays["mosaic"]
    count, height, width, _ = mosaics.shape
    check_extent(count, height, width, where)
    blobs = []
    for mosaic in mosaics:
        blobs.append(encode_picture(mosaic, codec, quality))
        on_sample(1)
    return {
        **{field.name: arrays[field.name] for field in MOSAIC_METADATA},
        "height": np.full(count, height, np.int32),
        "width": np.full(count, width, np.int32),
        "origin_sha256": np.array([digest.encode("ascii") for digest in origin_sha256], "S64"),
        "blob_bytes": np.array([len(blob) for blob in blobs], np.int32),
        "blob": np.frombuffer(b"".join(blobs), np.uint8),
    }


def to_training(
    arrays: Arrays, *, on_sample: Callable[[int], None], where: str
) -> dict[str, Array]:
    """The arrays of a compact shard, checked by `check_compact`, as those of a training one.

    Args:
        arrays: Arrays of `stroi.cache.storage.formats.MOSAICS_COMPACT`.
        on_sample: Called with 1 after each sample.
        where: The file, for messages.

    Returns:
        Arrays of `stroi.cache.storage.formats.MOSAICS`; the pixels are those of the blobs.

    Raises:
        RefusedInput: ``IMAGE_HEADER`` or ``IMAGE_DECODE``, naming the sample.
        StroiError: ``OPENCV_MISSING``.
    """
    ids = ids_from_array(arrays[ID_FIELD.name])
    ends = blob_ends(arrays)
    mosaics = np.empty((len(ids), *picture_size(arrays), 3), np.uint8)
    for row, name in enumerate(ids):
        decode_picture(blob_at(arrays, ends, row), mosaics[row], f"{where}: {name!a}")
        on_sample(1)
    return {**{field.name: arrays[field.name] for field in MOSAIC_METADATA}, "mosaic": mosaics}


def read_packed(extra: Mapping[str, Any], where: str) -> dict[str, Any]:
    """How a compact cache was packed.

    Args:
        extra: What its manifest calls so.
        where: The manifest, for messages.

    Returns:
        What ``packed`` holds: ``codec`` is ``jpeg`` or ``webp``, everything else is whatever the
        publisher wrote.

    Raises:
        RefusedInput: ``MANIFEST``.
    """
    packed = JsonNode(extra, f"{where}: extra").mapping("packed")
    JsonNode(packed, f"{where}: extra: packed").text("codec", _CODEC)
    return packed


def check_compact(arrays: Arrays, where: str) -> None:
    """Refuse a shard whose pictures differ in size, are too large, or cannot be in its blobs.

    Args:
        arrays: Arrays of `stroi.cache.storage.formats.MOSAICS_COMPACT`, in range and adding up (see
            `stroi.cache.storage.schema.check_contents`). No blob is read.
        where: The file, for messages.

    Raises:
        RefusedInput: ``IMAGE_SIZE`` or ``SCHEMA``.
    """
    height, width = picture_size(arrays)
    ids = ids_from_array(arrays[ID_FIELD.name])
    _, _, columns, rows = arrays["valid"].shape
    if (arrays["height"] != height).any() or (arrays["width"] != width).any():
        raise refuse("SCHEMA", f"{where} holds pictures of several sizes")
    if height % rows or width % columns:
        raise refuse(
            "SCHEMA", f"{where}: {height} x {width} px are not {rows} x {columns} equal cells"
        )
    check_extent(len(ids), height, width, where)
    longest = int(arrays["blob_bytes"].argmax())
    if int(arrays["blob_bytes"][longest]) > 2 * 3 * height * width + _SLACK:
        raise refuse(
            "IMAGE_SIZE",
            f"{where}: the blob of {ids[longest]!a} is longer than any of {height} x {width} px",
        )
    for name, digest in zip(ids, arrays["origin_sha256"].tolist(), strict=True):
        if _HEX.fullmatch(digest) is None:
            raise refuse("SCHEMA", f"{where}: origin_sha256 of {name!a} is not a digest")


def check_extent(count: int, height: int, width: int, where: str) -> None:
    """Refuse pictures that the compact form has no room for.

    Args:
        count: N, pictures of a shard.
        height: H in px.
        width: W in px.
        where: The file, for messages.

    Raises:
        RefusedInput: ``IMAGE_SIZE``.
    """
    if max(height, width) > MAX_SIDE:
        raise refuse(
            "IMAGE_SIZE",
            f"{where}: a picture of {height} x {width} px is larger than {MAX_SIDE} px a side",
            "keep it in the training form",
        )
    if count * height * width * 3 > MAX_SHARD_PIXELS:
        raise refuse(
            "IMAGE_SIZE",
            f"{where}: {count} pictures of {height} x {width} px are more than"
            f" {MAX_SHARD_PIXELS} bytes",
            "rebuild it with fewer clips_per_shard",
        )


def picture_size(arrays: Arrays) -> tuple[int, int]:
    """Height and width in px of a compact shard's pictures."""
    return int(arrays["height"][0]), int(arrays["width"][0])


def blob_ends(arrays: Arrays) -> NDArray[np.int64]:
    """(N,) place in ``blob`` where each sample's blob ends."""
    return np.cumsum(arrays["blob_bytes"], dtype=np.int64)


def blob_at(arrays: Arrays, ends: NDArray[np.int64], row: int) -> NDArray[np.uint8]:
    """The blob of the sample in row `row`; `ends` is what `blob_ends` says."""
    end = int(ends[row])
    blob: NDArray[np.uint8] = arrays["blob"][end - int(arrays["blob_bytes"][row]) : end]
    return blob


def fidelity(arrays: Arrays, mosaics: NDArray[np.uint8], where: str) -> NDArray[np.float64]:
    """How near the blobs' pictures come to the mosaics that they stand for.

    The peak signal-to-noise ratio, 10 log10(255^2 / mean squared difference over all pixels and
    colours).

    Args:
        arrays: Arrays of `stroi.cache.storage.formats.MOSAICS_COMPACT`.
        mosaics: (N, H, W, 3) uint8.
        where: The file of the blobs, for messages.

    Returns:
        (N,) in dB, `EQUAL_DB` where the pictures are equal.

    Raises:
        RefusedInput: ``IMAGE_HEADER`` or ``IMAGE_DECODE``, naming the sample.
        StroiError: ``OPENCV_MISSING``.
    """
    cv2 = opencv()
    ends = blob_ends(arrays)
    decoded = np.empty(mosaics.shape[1:], np.uint8)
    ratios = np.full(len(mosaics), EQUAL_DB)
    for row, name in enumerate(ids_from_array(arrays[ID_FIELD.name])):
        decode_picture(blob_at(arrays, ends, row), decoded, f"{where}: {name!a}")
        squares = float(cv2.norm(decoded, mosaics[row], cv2.NORM_L2SQR))
        if squares:
            ratios[row] = 10 * np.log10(255**2 * decoded.size / squares)
    return ratios
