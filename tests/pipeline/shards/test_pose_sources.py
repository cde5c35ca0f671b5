"""Caches of one data set that come from different pose sources are warned of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_project import project_with_mosaics

from stroi.cache.manifest import MANIFEST_NAME, read_manifest, write_manifest
from stroi.pipeline.cli import run
from stroi.pipeline.shards.pose_sources import mixed_sources

MOVENET = {"estimator": "movenet", "model": "ab" * 32}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set whose mosaics come from MoveNet's skeletons."""
    return project_with_mosaics(tmp_path / "project") / "data" / "demo"


@pytest.mark.parametrize(
    ("producer", "warned"),
    [
        (MOVENET, False),
        (MOVENET | {"input_size": 384, "opencv": "4.14"}, False),
        ({"numpy": "2.4"}, False),
        ({"estimator": "movenet", "model": "cd" * 32}, True),
        ({"estimator": "kinect"}, True),
        ({"skeletons": {"estimator": "openpose", "model": "ef" * 32}}, True),
    ],
)
def test_who_found_the_people_tells(data: Path, producer: dict[str, object], warned: bool) -> None:
    found = mixed_sources(data / "skeletons", producer)
    assert len(found) == warned
    if warned:
        assert found[0].startswith(f"warning: {data / 'mosaics'} comes from movenet abababababab, ")
    assert mixed_sources(data / "mosaics", producer) == []
    assert mixed_sources(data.parent / "other" / "skeletons", producer) == []


def test_what_is_no_cache_is_left_to_others(data: Path) -> None:
    (data / "mosaics" / MANIFEST_NAME).write_text("{}")
    assert mixed_sources(data / "skeletons", {"estimator": "kinect"}) == []


def test_import_beside_other_skeletons_warns(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    received = data / "mosaics"
    sent = tmp_path / "sent"
    received.rename(sent)
    for name, producer, warned in (
        ("same", MOVENET, False),
        ("other", {"estimator": "openpose", "model": "12" * 32}, True),
    ):
        there = tmp_path / name / "skeletons"
        there.mkdir(parents=True)
        manifest = replace(read_manifest(sent), kind="skeletons", producer=producer, files=())
        write_manifest(there, manifest)
        assert run(["cache", "import", str(sent), str(there.parent / "mosaics")]) == 0
        assert ("comes from openpose 121212121212" in capsys.readouterr().out) == warned
