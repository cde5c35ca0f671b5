"""Between the two forms of a mosaic cache: `pack` makes it small to share, `unpack` fast to read.

Ids, boxes, flags, params, producer, inputs and the grouping into files stay as they are. Every
file is compared with what it was made from and is complete under its final name; the manifest
comes last. So a killed run goes on where it stopped when it is started again. A folder that holds
anything else is never written over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.files.opening import read_no_link
from stroi.cache.files.staging import exclusive_folder, target_exists, write_if_absent
from stroi.cache.ledger import MAX_TABLE_BYTES
from stroi.cache.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    read_manifest,
    stroi_version,
    write_manifest,
)
from stroi.cache.pictures.codecs import Codec, check_codec, encode_picture, opencv
from stroi.cache.pictures.compact_shard import (
    EQUAL_DB,
    blob_at,
    blob_ends,
    check_compact,
    fidelity,
    read_packed,
    to_compact,
    to_training,
)
from stroi.cache.shards import map_shard
from stroi.cache.storage.formats import MOSAIC_METADATA, MOSAICS, MOSAICS_COMPACT
from stroi.cache.storage.hdf5 import decode, encode
from stroi.cache.storage.schema import SCHEMA, Array, Arrays, FileFormat, sample_digests
from stroi.cache.verify import require_verified

OnSample = Callable[[int], None]


@dataclass(frozen=True)
class _Conversion:
    folder: Path
    target: Path
    codec: Codec
    quality: int | None
    on_sample: OnSample


def _ignore(count: int) -> None:
    """Report nothing."""


def pack(
    folder: Path,
    target: Path,
    *,
    codec: str = "jpeg",
    quality: int | None = None,
    on_sample: OnSample = _ignore,
) -> Manifest:
    """Write the compact form of a training cache.

    Args:
        folder: The training form; verified first.
        target: Folder of the compact form: new, or left by an earlier run of the same packing.
        codec: ``jpeg`` (lossy, an eighth of the size or less) or ``webp`` (lossless).
        quality: JPEG quality from 1 to 100; None for `stroi.cache.pictures.codecs.DEFAULT_QUALITY`.
        on_sample: Called with the number of samples done since it was called last.

    Returns:
        Manifest of `target`; its ``extra["packed"]`` says codec, quality, the mean and the least
        PSNR of the samples in dB (None if lossless), the versions of OpenCV and stroi, and the
        digest of the manifest of `folder`.

    Raises:
        ParamsError: ``CODEC``; ``TARGET_EXISTS`` if `target` holds anything else.
        RefusedInput: As `stroi.cache.verify.require_verified`; ``IMAGE_SIZE``.
        StroiError: ``OPENCV_MISSING``, ``IMAGE_ENCODE``, or a full or read-only disk.
        OutputInUse: If another process is filling `target`.
    """
    conversion = _Conversion(folder, target, *check_codec(codec, quality), on_sample)
    made_by = {"opencv": opencv().__version__, "stroi": stroi_version()}
    origin = require_verified(folder, MOSAICS.kind)
    seal = sha256_file(folder / MANIFEST_NAME)
    ratios: dict[str, NDArray[np.float64]] = {}

    def convert(entry: FileEntry) -> FileEntry:
        made, ratios[entry.name] = _pack_shard(conversion, entry)
        return made

    def describe(files: tuple[FileEntry, ...]) -> Manifest:
        packed = {
            "codec": conversion.codec,
            "quality": conversion.quality,
            "psnr_db": _summary([ratios[name] for name in sorted(ratios)], conversion.codec),
            "origin_manifest_sha256": seal,
            **made_by,
        }
        extra = {**origin.extra, "packed": packed}
        return replace(origin, kind=MOSAICS_COMPACT.kind, files=files, extra=extra, schema=SCHEMA)

    return _convert_folder(folder, target, origin, convert, describe)


def unpack(folder: Path, target: Path, *, on_sample: OnSample = _ignore) -> Manifest:
    """Write the training form of a compact cache.

    A lossless one gives back the samples that were packed, each checked by its digest; of the same
    schema also the bytes of every file and of the manifest. A lossy one gives what its
    blobs show, and the manifest says so in ``extra["unpacked"]``.

    Args:
        folder: The compact form; verified first.
        target: Folder of the training form: new, or left by an earlier run of the same unpacking.
        on_sample: Called with the number of samples done since it was called last.

    Returns:
        Manifest of `target`.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if `target` holds anything else.
        RefusedInput: As `stroi.cache.verify.require_verified`; ``MANIFEST`` if the manifest does
            not say how it was packed; ``IMAGE_SIZE``, ``IMAGE_HEADER``, ``IMAGE_DECODE``;
            ``DIGEST`` if a lossless sample is not what was packed.
        StroiError: ``OPENCV_MISSING``, or a full or read-only disk.
        OutputInUse: If another process is filling `target`.
    """
    opencv()
    origin = require_verified(folder, MOSAICS_COMPACT.kind)
    packed = read_packed(origin.extra, str(folder / MANIFEST_NAME))
    lossless = packed["codec"] == "webp"

    def convert(entry: FileEntry) -> FileEntry:
        source = folder / entry.name
        arrays = map_shard(source, MOSAICS_COMPACT, entry)
        check_compact(arrays, str(source))
        training = to_training(arrays, on_sample=on_sample, where=str(source))
        if lossless:
            _check_origin(arrays, training, entry, source)
        return _write_shard(target / entry.name, MOSAICS, training, entry)

    def describe(files: tuple[FileEntry, ...]) -> Manifest:
        extra = {key: value for key, value in origin.extra.items() if key != "packed"}
        if not lossless:
            extra["unpacked"] = packed
        return replace(origin, kind=MOSAICS.kind, files=files, extra=extra, schema=SCHEMA)

    return _convert_folder(folder, target, origin, convert, describe)


def _pack_shard(conversion: _Conversion, entry: FileEntry) -> tuple[FileEntry, NDArray[np.float64]]:
    source, path = conversion.folder / entry.name, conversion.target / entry.name
    arrays = map_shard(source, MOSAICS, entry)
    origin = sample_digests(MOSAICS, arrays)
    if path.exists():
        compact = _read_earlier(conversion, path, arrays, origin)
        conversion.on_sample(len(entry.ids))
    else:
        compact = to_compact(
            arrays,
            origin,
            conversion.codec,
            conversion.quality,
            on_sample=conversion.on_sample,
            where=str(source),
        )
    ratios = fidelity(compact, arrays["mosaic"], str(path))
    if conversion.codec == "webp" and (ratios < EQUAL_DB).any():
        raise StroiError(
            "IMAGE_ENCODE",
            f"{path}: the picture of {entry.ids[int(ratios.argmin())]!a} did not come back equal",
            remedy="install another opencv-python-headless",
        )
    return _write_shard(path, MOSAICS_COMPACT, compact, entry), ratios


def _read_earlier(
    conversion: _Conversion, path: Path, arrays: Arrays, origin: Sequence[str]
) -> dict[str, Array]:
    """What an earlier run left under `path`, refused if that packed otherwise."""
    try:
        compact = decode(MOSAICS_COMPACT, path)
        check_compact(compact, str(path))
    except RefusedInput as error:
        raise target_exists(path) from error
    first = encode_picture(arrays["mosaic"][0], conversion.codec, conversion.quality)
    same = (
        all(np.array_equal(compact[each.name], arrays[each.name]) for each in MOSAIC_METADATA)
        and (compact["height"][0], compact["width"][0]) == arrays["mosaic"].shape[1:3]
        and compact["origin_sha256"].tolist() == [digest.encode() for digest in origin]
        # One picture is enough: codec, quality and OpenCV all show in a blob.
        and blob_at(compact, blob_ends(compact), 0).tobytes() == first
    )
    if not same:
        raise target_exists(path)
    return compact


def _check_origin(arrays: Arrays, training: Arrays, entry: FileEntry, source: Path) -> None:
    stored = [digest.decode() for digest in arrays["origin_sha256"].tolist()]
    unpacked = sample_digests(MOSAICS, training)
    for name, one, other in zip(entry.ids, stored, unpacked, strict=True):
        if one != other:
            raise RefusedInput(
                "DIGEST",
                f"{source}: {name!a} is not the sample that was packed",
                remedy="fetch or rebuild the folder",
            )


def _summary(ratios: Sequence[NDArray[np.float64]], codec: Codec) -> dict[str, float] | None:
    if codec == "webp" or not ratios:
        return None
    every = np.concatenate(ratios)
    return {"mean": round(float(every.mean()), 2), "min": round(float(every.min()), 2)}


def _convert_folder(
    folder: Path,
    target: Path,
    origin: Manifest,
    convert: Callable[[FileEntry], FileEntry],
    describe: Callable[[tuple[FileEntry, ...]], Manifest],
) -> Manifest:
    """Make a cache from another one.

    Files that are there already come first, so that a folder of something else is refused before
    anything is added to it.

    Args:
        folder: The cache that is read, verified before.
        target: The one that is made: new, or left by an earlier run of the same conversion.
        origin: Manifest of `folder`.
        convert: Makes one ``.h5`` file by `_write_shard`; all other files are copied.
        describe: The manifest that lists these files; written last.

    Returns:
        That manifest.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if `target` holds anything else.
        OutputInUse: If another process is filling `target`.
        StroiError: If the disk is full or read-only.
    """
    with exclusive_folder(target, {MANIFEST_NAME, *(entry.name for entry in origin.files)}):
        made = []
        for entry in sorted(origin.files, key=lambda each: not os.path.lexists(target / each.name)):
            is_shard = entry.name.endswith(".h5")
            made.append(convert(entry) if is_shard else _copy(folder, target, entry))
        manifest = describe(tuple(sorted(made, key=lambda each: each.name)))
        path = target / MANIFEST_NAME
        there = os.path.lexists(path) or not write_manifest(target, manifest, replace=False)
        if there and read_manifest(target) != manifest:
            raise target_exists(path)
    return manifest


def _write_shard(path: Path, fmt: FileFormat, arrays: Arrays, entry: FileEntry) -> FileEntry:
    """Write a shard, unless it is there; what the new manifest says of it.

    Args:
        path: The shard.
        fmt: Its format.
        arrays: What it holds.
        entry: What the origin's manifest says of the file that it is made from.

    Raises:
        ParamsError: ``TARGET_EXISTS`` if it is there with other bytes.
        RefusedInput: If the arrays do not fit the format.
        StroiError: If the disk is full or read-only.
    """
    data = encode(fmt, arrays)
    write_if_absent(path, data)
    return replace(
        entry,
        name=path.name,
        bytes=len(data),
        sha256=sha256_bytes(data),
        sample_sha256=sample_digests(fmt, arrays),
    )


def _copy(folder: Path, target: Path, entry: FileEntry) -> FileEntry:
    data = read_no_link(folder / entry.name, "LEDGER", MAX_TABLE_BYTES)
    write_if_absent(target / entry.name, data)
    return entry
