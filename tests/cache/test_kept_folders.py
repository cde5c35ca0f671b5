"""Folders of this schema, written once, are read as they were; older schemas are refused."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_caches import (
    make_clip,
    make_joints,
    make_mosaics,
    make_scores,
    make_weights,
    write_every_kind,
)

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.share.convert import unpack
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.storage.formats import FORMATS
from stroi.cache.storage.schema import SCHEMA
from stroi.cache.verify import verify
from stroi.cache.weights import read_weights

KEPT = Path(__file__).parent / "schemas" / SCHEMA


def layout(path: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Attributes and arrays of an HDF5 file; of ragged bytes, which encoders choose, the type."""
    with h5py.File(path, "r") as file:
        arrays = {
            name: (data.dtype.str, data.shape if name != "blob" else len(data.shape))
            for name, data in file.items()
        }
        return {name: bytes(value) for name, value in file.attrs.items()}, arrays


def test_this_version_still_writes_its_schema(tmp_path: Path) -> None:
    """What the kept folders hold; if this fails, the schema needs a new version and new folders."""
    assert {path.name for path in KEPT.iterdir()} == set(FORMATS)
    write_every_kind(tmp_path)
    for kind in FORMATS:
        kept, made = read_manifest(KEPT / kind), read_manifest(tmp_path / kind)
        assert kept.ids == made.ids
        if kind != "mosaics_compact":
            assert kept.content_by_id == made.content_by_id
        for entry in kept.files:
            if entry.name.endswith(".h5"):
                assert layout(KEPT / kind / entry.name) == layout(tmp_path / kind / entry.name)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_kept_folder_is_good(kind: str) -> None:
    assert read_manifest(KEPT / kind, kind).schema == SCHEMA
    assert verify(KEPT / kind) == []


def test_kept_folders_hold_what_was_written() -> None:
    cache, made = MosaicCache(KEPT / "mosaics"), make_mosaics(("a-1", "a-2"), seed=1)
    np.testing.assert_array_equal(cache.batch(["a-1", "a-2"]), made.mosaic)
    np.testing.assert_array_equal(cache.valid(["a-1", "a-2"]), made.valid)
    assert any(entry.inputs for entry in cache.manifest.files)
    clip = SkeletonCache(KEPT / "skeletons")["b"]
    np.testing.assert_array_equal(clip.keypoints, make_clip(1, seed=2).keypoints)
    joints, sensed = JointCache(KEPT / "skeletons3d")["b"], make_joints(1, seed=2)
    np.testing.assert_array_equal(joints.position, sensed.position)
    np.testing.assert_array_equal(joints.state, sensed.state)
    weights = read_weights(KEPT / "weights")
    np.testing.assert_array_equal(weights.row_weights, make_weights(("a", "b")).row_weights)
    scores = read_scores(KEPT / "scores", "test")
    np.testing.assert_array_equal(scores.logits, make_scores(("a", "b")).logits)


def test_kept_compact_folder_unpacks_to_the_kept_one(tmp_path: Path) -> None:
    cache, made = MosaicCache(KEPT / "mosaics_compact"), make_mosaics(("a-1", "a-2"), seed=1)
    assert cache.form == "compact"
    np.testing.assert_array_equal(cache.batch(["a-1", "a-2"]), made.mosaic)
    unpack(cache.folder, tmp_path)
    assert read_manifest(tmp_path).content_by_id == read_manifest(KEPT / "mosaics").content_by_id


@pytest.mark.parametrize("schema", ["1.0", "1.2"])
def test_older_schema_is_refused(tmp_path: Path, schema: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": schema}))
    with pytest.raises(RefusedInput) as caught:
        MosaicCache(tmp_path)
    assert str(caught.value) == (
        f"SCHEMA: {tmp_path}/manifest.json: schema {schema} is of an older stroi, this one reads"
        " 2.0; make it again with this stroi"
    )


def test_ledger_has_to_be_listed(folder: Path) -> None:
    (folder / "ledger.csv").write_text("anything")
    (problem,) = verify(folder)
    assert problem.startswith(f"FILE_EXTRA: {folder}: 'ledger.csv' is not in the manifest")
