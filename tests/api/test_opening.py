"""Caches are opened by folder or URL, and each refusal says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_caches import write_every_kind
from small_project import project_with_mosaics

import stroi
from stroi.cache.errors import RefusedInput
from stroi.cache.share.card import About
from stroi.cache.share.info import manifest_sha256
from stroi.cache.share.publish import export_cache
from stroi.cache.share.upload import upload
from stroi.pipeline.cache_commands.labels import index_of


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROI_DOWNLOADS", str(tmp_path / "downloads"))


def test_every_kind_of_cache_opens(tmp_path: Path) -> None:
    write_every_kind(tmp_path)
    assert stroi.open_mosaics(tmp_path / "mosaics").ids == ("a-1", "a-2", "b-1")
    assert stroi.open_mosaics(str(tmp_path / "mosaics_compact")).form == "compact"
    assert stroi.open_mosaics((tmp_path / "mosaics").as_uri()).form == "training"
    assert stroi.open_skeletons(tmp_path / "skeletons").ids == ("a", "b")
    assert stroi.open_skeletons3d(tmp_path / "skeletons3d").ids == ("a", "b")
    assert stroi.open_weights(tmp_path / "weights").ids == ("a", "b")
    assert stroi.open_scores(tmp_path / "scores").ids == ("a", "b")
    with pytest.raises(RefusedInput, match=r"SCHEMA: .* describes mosaics, want skeletons"):
        stroi.open_skeletons(tmp_path / "mosaics")


def test_a_published_cache_opens_by_its_url_with_its_labels(tmp_path: Path) -> None:
    data = project_with_mosaics(tmp_path / "project") / "data" / "demo"
    here = stroi.open_mosaics(data / "mosaics")
    done = export_cache(
        data / "mosaics", tmp_path / "x.tar", About(), index=index_of(data / "index", here.ids)
    )
    url = f"memory://{tmp_path.name}/x.tar"
    upload(tmp_path / "x.tar", url)
    there = stroi.open_mosaics(url, expect=done.manifest_sha256)
    np.testing.assert_array_equal(there.batch(there.ids), here.batch(here.ids))
    labels = stroi.open_index(url).labels(there.ids)
    assert labels == stroi.open_index(data / "index").labels(here.ids)


def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    write_every_kind(tmp_path)
    path = tmp_path / "x.tar"
    export_cache(tmp_path / "weights", path, About())
    with pytest.raises(RefusedInput, match=r"CACHE_FOLDER: .*; run `stroi cache import .*\.tar F"):
        stroi.open_weights(path)
    right = manifest_sha256(tmp_path / "weights")
    assert stroi.open_weights(tmp_path / "weights", expect=right).ids == ("a", "b")
    with pytest.raises(RefusedInput, match=rf"EXPECT: .*weights: the SHA-256 .* is {right}, "):
        stroi.open_weights(tmp_path / "weights", expect="f" * 64)
