"""Files of every schema that was ever in use are read; those of a newer major are not."""

from __future__ import annotations

import shutil
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

SCHEMAS = Path(__file__).parent / "schemas"
KINDS = {
    "1.0": ("mosaics", "scores", "skeletons", "weights"),
    "1.1": ("mosaics", "mosaics_compact", "scores", "skeletons", "weights"),
    "1.2": ("mosaics", "mosaics_compact", "scores", "skeletons", "skeletons3d", "weights"),
}


def test_every_kind_of_every_schema_is_kept() -> None:
    kept = {
        path.name: tuple(sorted(folder.name for folder in path.iterdir()))
        for path in SCHEMAS.iterdir()
    }
    assert kept == KINDS
    assert SCHEMA in KINDS
    assert set(KINDS[SCHEMA]) == set(FORMATS)


def test_this_version_still_writes_its_schema(tmp_path: Path) -> None:
    """What the kept folders hold; if this fails, the schema needs a new version and new folders."""
    write_every_kind(tmp_path)
    for kind in KINDS[SCHEMA]:
        kept, made = read_manifest(SCHEMAS / SCHEMA / kind), read_manifest(tmp_path / kind)
        assert kept.ids == made.ids
        if kind != "mosaics_compact":
            assert kept.content_by_id == made.content_by_id
        for entry in kept.files:
            if entry.name.endswith(".h5"):
                assert layout(SCHEMAS / SCHEMA / kind / entry.name) == layout(
                    tmp_path / kind / entry.name
                )


def layout(path: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Attributes and arrays of an HDF5 file; of ragged bytes, which encoders choose, the type."""
    with h5py.File(path, "r") as file:
        arrays = {
            name: (data.dtype.str, data.shape if name != "blob" else len(data.shape))
            for name, data in file.items()
        }
        return {name: bytes(value) for name, value in file.attrs.items()}, arrays


@pytest.mark.parametrize(
    ("version", "kind"), [(version, kind) for version, kinds in KINDS.items() for kind in kinds]
)
def test_old_folder_is_good(version: str, kind: str) -> None:
    folder = SCHEMAS / version / kind
    assert read_manifest(folder, kind).schema == version
    assert verify(folder) == []


@pytest.mark.parametrize("version", KINDS)
def test_old_folder_says_what_it_said(version: str) -> None:
    """The folders hold what these seeds make; version 1.0 knew no inputs."""
    folder = SCHEMAS / version
    cache, made = MosaicCache(folder / "mosaics"), make_mosaics(("a-1", "a-2"), seed=1)
    np.testing.assert_array_equal(cache.batch(["a-1", "a-2"]), made.mosaic)
    np.testing.assert_array_equal(cache.rows(["a-1", "a-2"]), made.valid)
    inputs = [entry.inputs for entry in cache.manifest.files]
    assert any(inputs) == (version != "1.0")
    clip = SkeletonCache(folder / "skeletons")["b"]
    np.testing.assert_array_equal(clip.keypoints, make_clip(1, seed=2).keypoints)
    weights = read_weights(folder / "weights")
    np.testing.assert_array_equal(weights.row, make_weights(("a", "b")).row)
    scores = read_scores(folder / "scores", "test")
    np.testing.assert_array_equal(scores.logits, make_scores(("a", "b")).logits)


def test_old_joints_say_what_they_said() -> None:
    clip, made = JointCache(SCHEMAS / "1.2" / "skeletons3d")["b"], make_joints(1, seed=2)
    np.testing.assert_array_equal(clip.position, made.position)
    np.testing.assert_array_equal(clip.state, made.state)


def test_old_compact_folder_says_what_it_said(tmp_path: Path) -> None:
    cache, made = (
        MosaicCache(SCHEMAS / "1.1" / "mosaics_compact"),
        make_mosaics(("a-1", "a-2"), seed=1),
    )
    assert cache.form == "compact"
    np.testing.assert_array_equal(cache.batch(["a-1", "a-2"]), made.mosaic)
    np.testing.assert_array_equal(cache.rows(["a-1", "a-2"]), made.valid)
    unpack(cache.folder, tmp_path)
    kept = read_manifest(SCHEMAS / "1.1" / "mosaics")
    assert read_manifest(tmp_path).content_by_id == kept.content_by_id


def test_ledger_has_to_be_listed_since_1_1(tmp_path: Path, folder: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(SCHEMAS / "1.0" / "mosaics", old)
    (old / "ledger.csv").write_text("anything")
    assert verify(old) == []
    (folder / "ledger.csv").write_text("anything")
    (problem,) = verify(folder)
    assert problem.startswith(f"FILE_EXTRA: {folder}: 'ledger.csv' is not in the manifest")
