"""Small caches to write, damage and read.

Run as a script it writes one folder of every kind, as kept in tests/cache/schemas for each schema:
`python tests/factories/small_caches.py tests/cache/schemas/<version>`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembled import assemble_joints, assemble_mosaics

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ids import ids_from_array, ids_to_array
from stroi.cache.layouts import LAYOUTS
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.scores import Scores, write_scores
from stroi.cache.share.convert import pack
from stroi.cache.skeletons import Clip, assemble_skeletons
from stroi.cache.skeletons3d import JointClip
from stroi.cache.storage.assemble import Encoded
from stroi.cache.storage.formats import MOSAICS, MOSAICS_COMPACT, SCORES
from stroi.cache.storage.hdf5 import decode, encode
from stroi.cache.storage.schema import Array
from stroi.cache.storage.schema import sample_digests as schema_digests
from stroi.cache.weights import Weights, write_weights


def make_scores(ids: tuple[str, ...], *, seed: int = 0) -> Scores:
    """Random logits of three classes."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal((len(ids), 3)).astype(np.float32)
    return Scores(ids, logits, ("wave", "drink water", "héllo"))


def make_weights(ids: tuple[str, ...], *, seed: int = 0) -> Weights:
    """Random weights of 25 joints and 5 rows."""
    random = np.random.default_rng(seed)
    joint = random.random((len(ids), 2, 25), dtype=np.float32)
    return Weights(ids, joint, random.random((len(ids), 2, 5), dtype=np.float32))


def write_skeletons(folder: Path, clips: dict[str, Clip]) -> Path:
    """A complete folder of one skeleton shard."""
    return _write_shard(
        folder, "skeletons", list(clips), assemble_skeletons(list(clips), list(clips.values()))
    )


def write_joints(folder: Path, clips: dict[str, JointClip]) -> Path:
    """A complete folder of one joint shard."""
    return _write_shard(
        folder, "skeletons3d", list(clips), assemble_joints(list(clips), list(clips.values()))
    )


def _write_shard(folder: Path, kind: str, ids: list[str], encoded: Encoded) -> Path:
    name = f"{kind}-00000.h5"
    write_atomic(folder / name, encoded.data)
    entry = file_entry(name, encoded.data, ids, encoded.sample_sha256)
    write_manifest(folder, Manifest(kind, {}, {}, (entry,)))
    return folder


def make_mosaics(ids: tuple[str, ...], *, seed: int = 0, cell: int = 4) -> Mosaics:
    """Random mosaics of 5 rows and 3 columns; a third of the cells is black, their boxes NaN."""
    random = np.random.default_rng(seed)
    count = len(ids)
    valid = random.random((count, 2, 3, 5)) > 1 / 3
    box = random.random((count, 2, 3, 5, 4), dtype=np.float32) * 100
    box[~valid] = np.nan
    return Mosaics(
        ids=ids,
        mosaic=random.integers(0, 256, (count, 5 * cell, 3 * cell, 3), np.uint8),
        person_count=random.integers(1, 3, count, np.int8),
        frame_index=random.integers(0, 90, (count, 3), np.int32),
        box=box,
        confidence=random.random((count, 2, 3, 5), dtype=np.float32),
        valid=valid,
    )


def make_clip(frames: int, *, seed: int = 0) -> Clip:
    """Random skeletons of one person."""
    random = np.random.default_rng(seed)
    keypoints = np.zeros((frames, 2, 25, 3), np.float32)
    keypoints[:, 0] = random.random((frames, 25, 3), dtype=np.float32) * 200
    return Clip(keypoints, person_count=1, width=320, height=240, fps=29.97)


def make_joints(frames: int, *, seed: int = 0, layout: str = "kinect_v1") -> JointClip:
    """Random joints of one person in a sensor's layout."""
    random = np.random.default_rng(seed)
    count = len(LAYOUTS[layout].joints)
    position = np.zeros((frames, 2, count, 3), np.float32)
    position[:, 0] = random.standard_normal((frames, count, 3), dtype=np.float32)
    state = np.zeros((frames, 2, count), np.uint8)
    state[:, 0] = random.integers(1, 3, (frames, count), np.uint8)
    return JointClip(position, state, person_count=1, layout=LAYOUTS[layout], fps=30.0)


def write_cache(folder: Path, shards: list[Mosaics]) -> Path:
    """A complete folder of mosaic shards."""
    entries = []
    for number, shard in enumerate(shards):
        name = f"mosaics-{number:05d}.h5"
        encoded = assemble_mosaics([shard])
        write_atomic(folder / name, encoded.data)
        entries.append(file_entry(name, encoded.data, shard.ids, encoded.sample_sha256))
    write_manifest(folder, Manifest("mosaics", {"frames": 3}, {"by": "test"}, tuple(entries)))
    return folder


def read_mosaics(path: Path) -> Mosaics:
    """All of a mosaic shard in memory, to be changed."""
    arrays = decode(MOSAICS, path)
    ids, valid = ids_from_array(arrays.pop("sample_id")), arrays.pop("valid").astype(np.bool_)
    return Mosaics(ids, valid=valid, **arrays)


def write_compact(folder: Path, blobs: list[bytes], **changes: Array) -> Path:
    """A complete folder of one compact shard of 20 x 12 px: clips a, b, c, c0003, c0004, ..."""
    ids = ("a", "b", "c", *(f"c{number:04d}" for number in range(3, len(blobs))))[: len(blobs)]
    made = make_mosaics(ids)
    origin = assemble_mosaics([made]).sample_sha256
    arrays = {
        "sample_id": ids_to_array(ids),
        "person_count": made.person_count,
        "frame_index": made.frame_index,
        "box": np.nan_to_num(made.box, nan=0),
        "confidence": made.confidence,
        "valid": made.valid.astype(np.uint8),
        "height": np.full(len(ids), 20, np.int32),
        "width": np.full(len(ids), 12, np.int32),
        "origin_sha256": np.array([text.encode() for text in origin], "S64"),
        "blob_bytes": np.array([len(blob) for blob in blobs], np.int32),
        "blob": np.frombuffer(b"".join(blobs), np.uint8),
        **changes,
    }
    data = encode(MOSAICS_COMPACT, arrays)
    write_atomic(folder / "mosaics-00000.h5", data)
    digests = schema_digests(MOSAICS_COMPACT, arrays)
    entry = file_entry("mosaics-00000.h5", data, ids, digests)
    write_manifest(folder, Manifest("mosaics_compact", {}, {}, (entry,)))
    return folder


def add_sources(folder: Path) -> Path:
    """Make a cache of mosaics as its stage leaves it: with inputs, a ledger and a quarantined clip.

    The digest of a clip's video is its first letter 64 times.
    """
    made = read_manifest(folder)
    rows = ["id,status,code,detail", *(f"{name},done,," for name in made.ids)]
    ledger = "\n".join([*rows, "z-1,quarantined,VIDEO_OPEN,cannot be opened\n"]).encode()
    write_atomic(folder / "ledger.csv", ledger)
    files = [
        replace(entry, inputs={"video": tuple(64 * name[0] for name in entry.ids)})
        for entry in made.files
    ]
    extra = {"clips": len(made.ids) + 1, "quarantined": 1, "ledger": "ledger.csv"}
    listed = (file_entry("ledger.csv", ledger), *files)
    write_manifest(folder, replace(made, files=listed, extra=extra))
    return folder


def write_every_kind(root: Path) -> None:
    """One folder of each kind: two shards of mosaics in both forms, and one file of the others."""
    shards = [make_mosaics(("a-1", "a-2"), seed=1), make_mosaics(("b-1",), seed=2)]
    add_sources(write_cache(root / "mosaics", shards))
    pack(root / "mosaics", root / "mosaics_compact", codec="webp")
    write_skeletons(root / "skeletons", {"a": make_clip(2, seed=1), "b": make_clip(1, seed=2)})
    write_joints(root / "skeletons3d", {"a": make_joints(2, seed=1), "b": make_joints(1, seed=2)})
    made_by: dict[str, Any] = {"params": {}, "producer": {}}
    write_weights(root / "weights", make_weights(("a", "b")), **made_by)
    write_scores(root / "scores", "test", make_scores(("a", "b")), **made_by)


def score_arrays() -> dict[str, Array]:
    """Arrays of a good file of scores: 2 samples, 3 classes."""
    return {
        "sample_id": ids_to_array(["a", "b"]),
        "logits": np.arange(6, dtype=np.float32).reshape(2, 3),
        "class_name": np.array([b"x", b"y", "zé".encode()], "S256"),
    }


def refusal_of_scores(path: Path) -> str:
    """How a file of scores is refused, its path cut out; fails if it is not."""
    with pytest.raises(RefusedInput) as caught:
        decode(SCORES, path)
    assert caught.value.exit_status == 3
    assert str(path) in caught.value.message
    assert str(caught.value).isprintable()
    return str(caught.value).replace(f"{path}", "FILE")


def reseal(folder: Path, change: Callable[[Manifest], Manifest]) -> None:
    """Write a folder's manifest anew, changed, as somebody who wants to deceive would."""
    manifest = change(read_manifest(folder))
    (folder / "manifest.json").unlink()
    write_manifest(folder, manifest)


if __name__ == "__main__":
    write_every_kind(Path(sys.argv[1]))
