"""What a cache is, without reading its pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import read_no_link
from stroi.cache.ledger import count_codes, read_rows
from stroi.cache.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.pictures.compact_shard import read_packed
from stroi.cache.shards import ShardedCache
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.storage.formats import FORMATS

MOSAIC_KINDS = ("mosaics", "mosaics_compact")


@dataclass(frozen=True)
class Info:
    """What a cache is.

    Attributes:
        kind: Kind of its manifest.
        form: ``training`` or ``compact`` for mosaics; empty for other kinds.
        schema: Version of its layout.
        stroi_version: Version of the stroi that made it.
        manifest_sha256: SHA-256 of its ``manifest.json``: names the cache and all its bytes.
        params: The params it depends on.
        params_digest: Their digest.
        producer: What made it.
        inputs: What the digests of its samples' inputs are of, such as ``video``.
        files: Number of its files, the manifest aside.
        shards: Number of those that hold samples.
        bytes: Size of all of them.
        samples: Number of samples.
        quarantined: Number of clips that were left out, by the ledger's code.
        persons: Number of samples by persons in them, "1" to "4"; empty for other kinds.
        frames: Number of frames of all skeletons together; 0 for other kinds.
        height: Height of a mosaic in pixels; 0 for other kinds.
        width: Its width.
        columns: Its columns C (frames).
        rows: Its rows K.
        row_names: Their names, from top to bottom.
        black_cells: Share of the cells of the persons in them that are black, 0 to 1.
        packed: Codec, quality and PSNR of a compact cache whose manifest has them; None otherwise.
    """

    kind: str
    form: str
    schema: str
    stroi_version: str
    manifest_sha256: str
    params: dict[str, Any]
    params_digest: str
    producer: dict[str, Any]
    inputs: tuple[str, ...]
    files: int
    shards: int
    bytes: int
    samples: int
    quarantined: dict[str, int]
    persons: dict[str, int]
    frames: int = 0
    height: int = 0
    width: int = 0
    columns: int = 0
    rows: int = 0
    row_names: tuple[str, ...] = ()
    black_cells: float = 0.0
    packed: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        lists = {"inputs": list(self.inputs), "row_names": list(self.row_names)}
        return {**asdict(self), **lists}

    @property
    def mosaic(self) -> str:
        """A mosaic's size and division, in words."""
        names = ", ".join(name.replace("_", " ") for name in self.row_names)
        size = f"{self.height} x {self.width} px"
        return f"{size}, {self.rows} rows ({names}), {self.columns} columns"


def form_of(kind: str) -> str:
    """``training`` or ``compact`` for the kinds of mosaics, empty for others."""
    return dict(zip(MOSAIC_KINDS, ("training", "compact"), strict=True)).get(kind, "")


def manifest_sha256(folder: Path) -> str:
    """SHA-256 of a cache's ``manifest.json``: it names the cache and all its bytes.

    Raises:
        RefusedInput: ``MANIFEST_MISSING`` if there is none.
    """
    return sha256_bytes(
        read_no_link(folder / MANIFEST_NAME, "MANIFEST_MISSING", MAX_MANIFEST_BYTES)
    )


def describe(folder: Path) -> Info:
    """What `folder` is: its manifest, its ledger and the small arrays of its shards.

    Digests are not checked: `stroi.cache.verify.verify` does that.

    Raises:
        RefusedInput: If the manifest, the ledger or the headers of a shard are not in order.
    """
    manifest = read_manifest(folder)
    shards = [entry for entry in manifest.files if entry.ids]
    return Info(
        kind=manifest.kind,
        form=form_of(manifest.kind),
        schema=manifest.schema,
        stroi_version=manifest.stroi_version,
        manifest_sha256=manifest_sha256(folder),
        params=manifest.params,
        params_digest=manifest.params_digest,
        producer=manifest.producer,
        inputs=tuple(sorted({what for entry in shards for what in entry.inputs})),
        files=len(manifest.files),
        shards=len(shards),
        bytes=sum(entry.bytes for entry in manifest.files),
        samples=len(manifest.ids),
        quarantined=count_codes(read_rows(folder)),
        packed=_packed(folder, manifest),
        **_contents(folder, manifest),
    )


def open_cache(folder: Path, kind: str) -> ShardedCache:
    """The samples of a cache by id; nothing is verified.

    Raises:
        RefusedInput: ``SCHEMA`` if no cache of this kind can be read; any of `read_manifest`.
    """
    if kind in MOSAIC_KINDS:
        return MosaicCache(folder, verify=False)
    if kind == "skeletons":
        return SkeletonCache(folder, verify=False)
    if kind not in FORMATS:
        raise RefusedInput("SCHEMA", f"{folder} is of an unknown kind", remedy="update stroi")
    return ShardedCache(folder, FORMATS[kind], verify=False)


def _packed(folder: Path, manifest: Manifest) -> dict[str, Any] | None:
    if form_of(manifest.kind) != "compact" or "packed" not in manifest.extra:
        return None
    return read_packed(manifest.extra, str(folder / MANIFEST_NAME))


def _contents(folder: Path, manifest: Manifest) -> dict[str, Any]:
    if not manifest.ids or manifest.kind not in (*MOSAIC_KINDS, "skeletons"):
        return {"persons": {}}
    cache = open_cache(folder, manifest.kind)
    if isinstance(cache, MosaicCache):
        return _mosaics(cache)
    persons: Counter[str] = Counter()
    frames = 0
    for entry in manifest.files:
        if entry.ids:
            arrays, _ = cache.find(entry.ids[0])
            persons.update(map(str, arrays["person_count"].tolist()))
            frames += int(arrays["frame_count"].sum(dtype=np.int64))
    return {"persons": dict(sorted(persons.items())), "frames": frames}


def _mosaics(cache: MosaicCache) -> dict[str, Any]:
    persons: Counter[str] = Counter()
    cells = black = 0
    for entry in cache.manifest.files:
        if not entry.ids:
            continue
        count, valid = cache.person_count(entry.ids), cache.valid(entry.ids)
        present = np.arange(valid.shape[1]) < count[:, None]
        persons.update(map(str, count.tolist()))
        cells += int(present.sum()) * valid[0, 0].size
        black += int(np.count_nonzero(~valid[present]))
    height, width, _ = cache.shape
    return {
        "persons": dict(sorted(persons.items())),
        "height": height,
        "width": width,
        "columns": valid.shape[2],
        "rows": len(cache.rows),
        "row_names": tuple(row.name for row in cache.rows),
        "black_cells": black / cells,
    }
