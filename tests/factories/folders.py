"""Manifests, ledgers and blobs as nobody should write them. See `shards` for the shards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from shards import Place, Spoil
from small_caches import write_compact

from stroi.cache.files.digests import sha256_bytes
from stroi.cache.manifest import file_entry, read_manifest, write_manifest

Document = dict[str, Any]
UNSEALED = '"digest": "' + "0" * 64 + '"'


def manifest(place: Place) -> Path:
    return place.folder / "manifest.json"


def text(data: bytes) -> Spoil:
    """Any bytes for a manifest."""
    return lambda place: manifest(place).write_bytes(data)


def other(make: Callable[[Path, Place], object]) -> Spoil:
    """Something else under the manifest's name."""

    def spoil(place: Place) -> None:
        manifest(place).unlink()
        make(manifest(place), place)

    return spoil


def sealed(change: Callable[[Document], object]) -> Spoil:
    """A manifest that is sealed as it must be, after any change."""

    def spoil(place: Place) -> None:
        document = read_manifest(place.folder).to_dict()
        change(document)
        unsealed = json.dumps({**document, "digest": "0" * 64}, indent=1)
        seal = UNSEALED.replace("0" * 64, sha256_bytes(unsealed.encode()))
        manifest(place).write_text(unsealed.replace(UNSEALED, seal))

    return spoil


def first_file(**values: object) -> Spoil:
    """A sealed manifest with other words about the first file."""
    return sealed(lambda document: document["files"][0].update(values))


def many_samples(document: Document) -> None:
    """A manifest of 28 MB, as that of NTU-120; every line of it is good but the last id."""
    names = [f"{number:08d}" for number in range(120_000)]
    digests = [f"{number:064x}" for number in range(120_000)]
    document["files"][0] |= {"ids": [*names[:-1], "\x1b[2J"], "sample_sha256": digests}
    document["files"][0]["inputs"] = {"video": digests, "skeleton": digests}


def ledger(data: bytes) -> Spoil:
    """A ledger that the manifest lists."""

    def spoil(place: Place) -> None:
        (place.folder / "ledger.csv").write_bytes(data)
        known = read_manifest(place.folder)
        files = (file_entry("ledger.csv", data), *known.files)
        write_manifest(place.folder, replace(known, files=files))

    return spoil


def good_ledger(place: Place) -> bytes:
    """The ledger of a run that lost nothing."""
    names = read_manifest(place.folder).ids
    return ("id,status,code,detail\n" + "".join(f"{name},done,,\n" for name in names)).encode()


def other_ledger(make: Callable[[Path, Place], object]) -> Spoil:
    """Something else under the name of a ledger that is good otherwise."""

    def spoil(place: Place) -> None:
        ledger(good_ledger(place))(place)
        (place.folder / "ledger.csv").unlink()
        make(place.folder / "ledger.csv", place)

    return spoil


def blob(change: Callable[[bytes], bytes], **options: object) -> Spoil:
    """A compact cache, its second clip's picture changed."""

    def spoil(place: Place) -> None:
        for path in place.folder.iterdir():
            path.unlink()
        write_compact(place.folder, [jpeg(12, 20), change(jpeg(12, 20)), jpeg(12, 20)], **options)

    return spoil


def jpeg(width: int, height: int) -> bytes:
    """A picture as stroi writes it."""
    picture = np.zeros((height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1])


def webp(width: int, height: int) -> bytes:
    """A lossless picture as stroi writes it."""
    picture = np.zeros((height, width, 3), np.uint8)
    return bytes(cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])[1])


def sparse(size: int) -> Callable[[Path, Place], None]:
    """A file of zeros that takes no room."""

    def make(path: Path, _: Place) -> None:
        path.touch()
        os.truncate(path, size)

    return make
