"""Files of every schema that was ever in use are read; those of a newer major are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_clip, make_mosaics, make_scores, make_weights

from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.verify import verify
from stroi.cache.weights import read_weights

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = sorted(path.name for path in SCHEMAS.iterdir())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["mosaics", "skeletons", "weights", "scores"])
def test_old_folder_is_good(version: str, kind: str) -> None:
    folder = SCHEMAS / version / kind
    assert read_manifest(folder, kind).schema == version
    assert verify(folder) == []


@pytest.mark.parametrize("version", VERSIONS)
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


def test_ledger_has_to_be_listed_since_1_1(tmp_path: Path, folder: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(SCHEMAS / "1.0" / "mosaics", old)
    (old / "ledger.csv").write_text("anything")
    assert verify(old) == []
    (folder / "ledger.csv").write_text("anything")
    (problem,) = verify(folder)
    assert problem.startswith(f"FILE_EXTRA: {folder}: 'ledger.csv' is not in the manifest")
