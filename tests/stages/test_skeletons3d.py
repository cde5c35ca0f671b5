"""Stage ``skeletons3d``: listed clips become a cache, and every other clip has its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ntu_people import person, skeleton_text

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.skeletons3d import JointCache
from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import Skeletons3dParams
from stroi.stages import skeletons3d as joints
from stroi.stages.sensors.readers import reader
from stroi.stages.skeletons3d import build_skeletons3d

T = 12


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(6):
        bodies = {number: (range(T), person(T, at=0, seed=number))}
        (folder / f"c{number}.skeleton").write_bytes(skeleton_text(T, bodies))
    return folder


def listed(raw: Path, labels: str = "ababab") -> Index:
    samples = tuple(
        Sample(
            f"c{number}",
            "",
            label,
            skeleton=f"c{number}.skeleton",
            skeleton_sha256=sha256_file(raw / f"c{number}.skeleton"),
        )
        for number, label in enumerate(labels)
    )
    return Index(samples, ("a", "b"))


def build(raw: Path, index: Index, name: str = "skeletons3d", *, limit: float = 0.5) -> Ledger:
    params = Skeletons3dParams(clips_per_shard=2, max_quarantined=limit)
    store = raw.parent / "store"
    return build_skeletons3d(raw, index, raw.parent / name, params, Workers(1), store)


def test_a_cache_that_verifies(raw: Path) -> None:
    ledger = build(raw, listed(raw))
    assert ledger.summary() == "6 clips = 6 done + 0 quarantined"
    assert {one.detail for one in ledger.outcomes} == {
        "1 of at most 2 people in 12 frames, seen in 100%"
    }
    assert verify(raw.parent / "skeletons3d") == []
    cache = JointCache(raw.parent / "skeletons3d")
    for number in range(6):
        clip, expected = cache[f"c{number}"], reader("ntu")(raw / f"c{number}.skeleton")
        np.testing.assert_array_equal(clip.position, expected.position, strict=True)
        np.testing.assert_array_equal(clip.state, expected.state, strict=True)


def test_the_same_bytes_whatever_the_labels_and_the_order(raw: Path) -> None:
    index = listed(raw)
    build(raw, index)
    poisoned = Index(tuple(reversed(listed(raw, "bbbaab").samples)), index.classes)
    build(raw, poisoned, "again")
    files = {path.name: path.read_bytes() for path in (raw.parent / "skeletons3d").iterdir()}
    assert len(files) > 3
    assert {path.name: path.read_bytes() for path in (raw.parent / "again").iterdir()} == files


def test_every_clip_that_cannot_be_read_has_its_reason(raw: Path) -> None:
    index = listed(raw)
    (raw / "c0.skeleton").unlink()
    (raw / "c1.skeleton").write_bytes((raw / "c2.skeleton").read_bytes())
    without = Sample("d0", "d0.avi", "a", sha256="0" * 64, bytes=1)
    folder = Sample("d1", "", "a", skeleton="json/d1")
    found = build(raw, Index((*index.samples, without, folder), index.classes))
    assert {(one.id, one.code, one.detail.split(";")[0]) for one in found.quarantined} == {
        ("c0", "SKEL_OPEN", "'c0.skeleton': No such file or directory"),
        ("c1", "SKEL_CHANGED", "'c1.skeleton' changed since it was indexed"),
        ("d0", "SKEL_MISSING", "no skeleton file"),
        ("d1", "SKEL_MISSING", "'json/d1' is no skeleton file"),
    }
    assert JointCache(raw.parent / "skeletons3d").ids == ("c2", "c3", "c4", "c5")


def test_a_file_that_is_again_what_the_index_lists_is_read(raw: Path) -> None:
    index = listed(raw)
    file = raw / "c1.skeleton"
    whole = file.read_bytes()
    file.write_bytes(whole + b"\n")
    assert [one.code for one in build(raw, index).quarantined] == ["SKEL_CHANGED"]
    file.write_bytes(whole)
    assert not build(raw, index).quarantined


def test_a_file_that_changes_while_it_is_read(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, start: int, stop: int) -> object:
        clip = reader("ntu")(path, start, stop)
        if path.name == "c3.skeleton":
            path.write_bytes(path.read_bytes() + b"\n")
        return clip

    monkeypatch.setattr(joints, "reader", lambda *_: read)
    found = build(raw, listed(raw))
    assert [(one.id, one.code) for one in found.quarantined] == [("c3", "SKEL_CHANGED")]


def test_too_many_bad_clips_fail_after_the_rest_is_done(raw: Path) -> None:
    index = listed(raw)
    (raw / "c0.skeleton").unlink()
    with pytest.raises(StroiError, match=r"QUARANTINED: 1 of 6 clips were quarantined, first c0"):
        build(raw, index, limit=0.1)
    assert JointCache(raw.parent / "skeletons3d").ids == ("c1", "c2", "c3", "c4", "c5")


def test_a_finished_clip_is_not_read_again(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = listed(raw)
    build(raw, index)
    monkeypatch.delattr(joints, "reader")
    assert build(raw, index, "again").summary() == "6 clips = 6 done + 0 quarantined"
