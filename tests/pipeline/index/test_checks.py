"""Files made empty on purpose: listed, divided, told about, and quarantined by who opens them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import StroiError
from stroi.pipeline.index.checks import OF_NOTHING, empty_notes
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import Sample, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams, SkeletonParams, Skeletons3dParams, Split
from stroi.stages.index import build_index
from stroi.stages.skeletons import build_skeletons
from stroi.stages.skeletons3d import build_skeletons3d

NAMES = ("S001C001P001R001A001", "S001C002P003R001A001", "S001C003P003R002A002")
WORKERS = Workers(1)


def names_only(raw: Path) -> Path:
    """A tree of empty files, and one that is not."""
    raw.mkdir(parents=True)
    for name in NAMES:
        (raw / f"{name}_rgb.avi").touch()
        (raw / f"{name}.skeleton").touch()
    (raw / f"{NAMES[0]}.skeleton").write_text("no skeleton")
    return raw


def test_a_tree_of_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = names_only(tmp_path / "raw")
    store = tmp_path / "store"
    build_index(raw, tmp_path / "index", IndexParams(adapter="ntu60"), WORKERS, store)
    index = read_index(tmp_path / "index")
    assert [one.id for one in index.samples] == list(NAMES)
    said = capsys.readouterr().out.splitlines()
    then = "the stages that open them will quarantine their clips"
    assert said[-2:] == [
        f"3 video files are empty (0 bytes), first that of {NAMES[0]}: {then}",
        f"2 skeleton files are empty (0 bytes), first that of {NAMES[1]}: {then}",
    ]
    assert not [line for line in said if "share frames" in line]
    parts = divide(index.samples, Split(by="subject", train=("P001",)), usable=NAMES)
    assert (parts.train, parts.test) == (NAMES[:1], NAMES[1:])
    joints, skeletons = tmp_path / "skeletons3d", tmp_path / "skeletons"
    with pytest.raises(StroiError, match="QUARANTINED: 3 of 3"):
        build_skeletons3d(raw, index, joints, Skeletons3dParams(), WORKERS, store)
    with pytest.raises(StroiError, match="QUARANTINED: 3 of 3"):
        build_skeletons(raw, index, skeletons, SkeletonParams(source="movenet"), WORKERS, store)
    codes = [one.code for one in read_ledger(joints).outcomes]
    assert codes == ["SKEL_COUNT", "SKEL_EMPTY", "SKEL_EMPTY"]
    assert {one.code for one in read_ledger(skeletons).outcomes} == {"VIDEO_EMPTY"}


def test_nothing_is_said_where_nothing_is_empty() -> None:
    assert (
        empty_notes([Sample("a", "", "x", skeleton="a"), Sample("b", "b", "x", sha256="f")]) == ()
    )


def test_the_digest_of_nothing() -> None:
    assert OF_NOTHING == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
