"""What changed is done again, and nothing else: through the real stages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import tree
from tiny import tiny_project, tiny_videos

from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest
from stroi.cache.verify import verify
from stroi.pipeline.cli import run
from stroi.stages import skeletons
from stroi.stages.pose import detect as finding

STAGES = ("index", "skeletons", "mosaics")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project with a data set of its own."""
    folder = tmp_path_factory.mktemp("done")
    raw = tiny_videos(folder / "raw", clips=6, frames=6)
    project = tiny_project(folder / "project", raw)
    (project / "data" / "tiny" / "raw").unlink()
    shutil.copytree(raw, project / "data" / "tiny" / "raw")
    for name in STAGES:
        _stage(project, name)
    return project


@pytest.fixture
def project(done: Path, tmp_path: Path) -> Path:
    """A copy of it whose store is linked to its outs as in the original."""
    subprocess.run(["cp", "-a", str(done), str(tmp_path / "project")], check=True)
    return tmp_path / "project"


def _stage(project: Path, name: str) -> None:
    assert run([name, "tiny", "--root", str(project), "--jobs", "1"]) == 0


def _out(project: Path, name: str) -> Path:
    return project / "data" / "tiny" / name


def _rebuild(project: Path) -> None:
    """All stages as DVC runs them: it deletes each out first."""
    for name in STAGES:
        shutil.rmtree(_out(project, name))
        _stage(project, name)


def _written(project: Path, kind: str) -> dict[str, int]:
    """Files of a shelf of the store, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (project / ".stroi" / kind).iterdir()}


def _new(project: Path, kind: str, before: dict[str, int]) -> list[str]:
    now = _written(project, kind)
    assert before.items() <= now.items(), "finished work was done again or is gone"
    return sorted(now.keys() - before.keys())


def test_nothing_changed_nothing_is_done(project: Path) -> None:
    before = {kind: _written(project, kind) for kind in ("detections", "skeletons", "mosaics")}
    outs = {name: tree(_out(project, name)) for name in STAGES}
    _rebuild(project)
    assert {kind: _new(project, kind, old) for kind, old in before.items()} == {
        "detections": [], "skeletons": [], "mosaics": [],
    }  # fmt: skip
    assert {name: tree(_out(project, name)) for name in STAGES} == outs


def test_one_changed_video_redoes_its_own_shard_only(project: Path) -> None:
    shards = {name: _shards(project, name) for name in ("skeletons", "mosaics")}
    before = {kind: _written(project, kind) for kind in ("detections", "skeletons", "mosaics")}
    videos = sorted((_out(project, "raw") / "videos").iterdir())
    shutil.copyfile(videos[1], videos[0])
    changed = videos[0].stem
    _rebuild(project)
    # Another clip had the same video: everybody in it is known.
    assert _new(project, "detections", before["detections"]) == []
    for name in ("skeletons", "mosaics"):
        assert len(_new(project, name, before[name])) == 2, "one shard and what is known of it"
        now = _shards(project, name)
        assert [ids for ids in now if now[ids] != shards[name][ids]] == [
            ids for ids in shards[name] if changed in ids
        ]
        assert verify(_out(project, name)) == []


def _shards(project: Path, name: str) -> dict[tuple[str, ...], str]:
    """Digest of every shard by the ids in it."""
    entries = read_manifest(_out(project, name)).files
    return {entry.ids: sha256_file(_out(project, name) / entry.name) for entry in entries[1:]}


def test_changed_params_leave_nothing_stale_and_come_back_for_free(project: Path) -> None:
    first = tree(_out(project, "mosaics"))
    profile = project / "profiles" / "tiny.yaml"
    text = profile.read_text()
    profile.write_text(text.replace("cell: 48", "cell: 32"))
    _rebuild(project)
    second = tree(_out(project, "mosaics"))
    assert sorted(second) == sorted(first)
    assert {name for name in first if second[name] == first[name]} <= {"ledger.csv"}
    assert read_manifest(_out(project, "mosaics")).params["cell"] == 32
    before = _written(project, "mosaics")
    profile.write_text(text)
    _rebuild(project)
    assert _new(project, "mosaics", before) == []
    assert tree(_out(project, "mosaics")) == first


def test_removed_clips_leave_no_orphan(project: Path) -> None:
    before = _written(project, "mosaics")
    table = _out(project, "raw") / "table.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    for name in STAGES:
        _stage(project, name)
    assert len(read_manifest(_out(project, "mosaics")).ids) == 1
    assert sorted(path.name for path in _out(project, "mosaics").iterdir()) == [
        "ledger.csv", "manifest.json", "mosaics-00000.h5",
    ]  # fmt: skip
    assert verify(_out(project, "mosaics")) == []
    assert len(_new(project, "mosaics", before)) <= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(skeletons, "VERSION", 99),
        lambda patch: patch.setattr("scipy.__version__", "99.0"),
    ],
    ids=["algorithm of tracking", "scipy"],
)
def test_other_tracking_estimates_nothing_again(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    detections, shards = _written(project, "detections"), _written(project, "skeletons")
    change(monkeypatch)

    def refuse(*_: object) -> None:
        raise AssertionError("a video was looked at again")

    monkeypatch.setattr(finding, "detect", refuse)
    _stage(project, "skeletons")
    assert _new(project, "detections", detections) == []
    assert len(_new(project, "skeletons", shards)) == len(shards), "all were tracked again"
