"""What no out links to goes when asked; all else stays."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import recipes
from click.testing import CliRunner, Result

from stroi.cache.errors import OutputInUse, RefusedInput, StroiError
from stroi.cache.files.locks import lock
from stroi.cache.files.temporaries import this_process
from stroi.cache.verify import verify
from stroi.pipeline.cache_commands.prune import command, find_unused, prune
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.shards.build import STORE_LOCK, build_shards
from stroi.pipeline.shards.crashes import CRASHED, MARKS
from stroi.pipeline.shards.finished_clips import CLIPS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with seven texts and one out, built by factor 1."""
    (tmp_path / "texts").mkdir()
    for number in range(7):
        (tmp_path / "texts" / f"clip{number}.txt").write_text(f"text {number}")
    _build(tmp_path)
    return tmp_path


def _build(project: Path, factor: int = 1, name: str = "a") -> Path:
    out = project / "data" / name / "texts"
    build_shards(
        out,
        recipes.spec(factor),
        recipes.jobs(project / "texts"),
        clips_per_shard=3,
        store=project / ".stroi",
        workers=Workers(),
    )
    return out


def _shelf(project: Path) -> set[str]:
    return {path.name for path in (project / ".stroi" / "texts").iterdir()}


def _run(project: Path, *options: str) -> Result:
    arguments = ["--root", str(project), "--older-than", "0", *options]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def _on_disk(project: Path, names: set[str]) -> int:
    return sum((project / ".stroi" / "texts" / name).stat().st_blocks * 512 for name in names)


def test_what_outs_link_to_stays(project: Path) -> None:
    before = _shelf(project)
    store = project / ".stroi"
    assert _run(project).output == f"would remove 0 files, 0 B, from {store}\n"
    assert _run(project, "--yes").output == f"removed 0 files, 0 B, from {store}\n"
    assert _shelf(project) == before


def test_earlier_params_are_named_first_and_removed_when_asked(project: Path) -> None:
    first = _shelf(project)
    out = _build(project, factor=2)
    what = f"6 files, {_on_disk(project, first) / 1000:.1f} kB"
    store = project / ".stroi"
    assert _run(project).output.splitlines() == [
        f"texts: {what}",
        f"would remove {what}, from {store}; add --yes to do it",
    ]
    assert first < _shelf(project)
    assert _run(project, "--yes").output.endswith(f"removed {what}, from {store}\n")
    assert _shelf(project).isdisjoint(first)
    assert len(_shelf(project)) == 6
    assert verify(out) == []


def test_finished_clips_of_an_interrupted_run_go(project: Path) -> None:
    (project / "texts" / "clip5.txt").write_text("lost")
    with pytest.raises(StroiError, match="CLIP_READ"):
        _build(project, factor=2)
    clips = project / ".stroi" / CLIPS
    left = list(clips.iterdir())
    assert left
    assert find_unused(project / ".stroi", 7) == {}
    assert set(left) <= set(prune(project / ".stroi", 0))
    assert list(clips.iterdir()) == []


def test_params_that_come_back_are_computed_anew(project: Path) -> None:
    before = (project / "data" / "a" / "texts" / "texts-00000.h5").read_bytes()
    _build(project, factor=2)
    prune(project / ".stroi", 0)
    (project / "work.log").unlink()
    out = _build(project)
    assert len((project / "work.log").read_text().split()) == 7
    assert (out / "texts-00000.h5").read_bytes() == before


def test_every_out_of_every_project_with_this_store_counts(project: Path) -> None:
    _build(project, factor=2, name="b")
    assert find_unused(project / ".stroi", 0) == {}
    shutil.rmtree(project / "data" / "b")
    assert len(prune(project / ".stroi", 0)) == 6
    assert len(_shelf(project)) == 6


def test_a_link_anywhere_else_counts_as_well(project: Path) -> None:
    """DVC's cache holds links of its own: removing ours would free nothing."""
    kept = project / "object"
    os.link(project / "data" / "a" / "texts" / "texts-00002.h5", kept)
    _build(project, factor=2)
    assert len(find_unused(project / ".stroi", 0)) == 4
    kept.unlink()
    assert len(find_unused(project / ".stroi", 0)) == 6


def test_the_age_counts_from_the_last_link(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for work done long ago: DVC deletes an out before its stage runs."""
    for path in (project / ".stroi" / "texts").iterdir():
        os.utime(path, (0, 0))
    _build(project, factor=2)
    store, now = project / ".stroi", time.time()
    assert CliRunner().invoke(command, ["--root", str(project)]).output.startswith("would remove 0")
    monkeypatch.setattr(time, "time", lambda: now + 6.9 * 86400)
    assert find_unused(store, 7) == {}
    monkeypatch.setattr(time, "time", lambda: now + 7.1 * 86400)
    assert len(find_unused(store, 7)) == 6
    assert CliRunner().invoke(command, ["--root", str(project)]).output.startswith("texts: 6 files")


def test_where_copies_stand_in_for_links_the_outs_stay_good(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", no_link)
    out = _build(project, name="copied")
    shutil.rmtree(project / "data" / "a")
    assert len(prune(project / ".stroi", 0)) == 6
    assert verify(out) == []


@pytest.mark.parametrize("name", [STORE_LOCK, "mosaics-a.lock", "resnet-plain-a.lock"])
def test_running_stage_is_left_alone(project: Path, name: str) -> None:
    _build(project, factor=2)
    before = _shelf(project)
    (project / ".stroi" / "locks" / name).touch()
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
         "from stroi.cache.files.locks import lock\n"
         "with lock(Path(sys.argv[1]), shared=True): print('held', flush=True); time.sleep(60)",
         str(project / ".stroi" / "locks" / name)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputInUse, match=f"process {holder.pid} on"):
            prune(project / ".stroi", 0)
        holder.kill()
    assert _shelf(project) == before
    assert len(prune(project / ".stroi", 0)) == 6


def test_nobody_builds_while_it_removes(project: Path) -> None:
    with (
        lock(project / ".stroi" / "locks" / STORE_LOCK),
        pytest.raises(OutputInUse, match=r"store\.lock is in use by"),
    ):
        _build(project)


def test_nothing_behind_a_link_or_of_another_name_goes(project: Path, tmp_path: Path) -> None:
    store = project / ".stroi"
    outside = tmp_path / "outside"
    outside.mkdir()
    key = "0" * 64
    (outside / f"{key}.h5").write_bytes(b"mine")
    (store / "linked").symlink_to(outside)
    (store / "texts" / f"{key}.h5").symlink_to(outside / f"{key}.h5")
    (store / "texts" / "notes.txt").write_text("mine")
    (store / "texts" / f"{key}.h5.bak").write_text("mine")
    (store / f"{key}.h5").write_text("mine")
    before = set(project.rglob("*"))
    assert prune(store, 0) == {}
    assert set(project.rglob("*")) == before


def test_what_killed_runs_left_goes_at_any_age(project: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = f"{process.pid}-{this_process().split('-')[1]}"
    store = project / ".stroi"
    left = [
        store / MARKS / f"{dead}.1",
        store / "texts" / f"{'0' * 64}.h5.tmp-{dead}-00000000",
        store / "training" / f"{'0' * 32}.safetensors.tmp-{dead}-00000000",
    ]
    kept = [store / "texts" / f"x.tmp-{this_process()}-00000000", store / MARKS / this_process()]
    for path in (*left, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert list(prune(store, 7)) == left
    assert [path for path in left if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--detections", f"detections/{'0' * 64}.npz"),
        ("--training", f"training/{'0' * 32}.safetensors"),
        ("--crashed", f"{CRASHED}/{'0' * 64}.txt"),
    ],
)
def test_what_no_out_ever_links_to_goes_only_by_its_option(
    project: Path, option: str, name: str
) -> None:
    path = project / ".stroi" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert "removed 0 files" in _run(project, "--yes").output
    assert path.exists()
    assert "would remove 1 file" in _run(project, option).output
    assert path.exists()
    young = _run(project, option, "--older-than", "1").output
    assert ("would remove 1 file" in young) == (option == "--crashed")
    assert "removed 1 file" in _run(project, "--yes", option).output
    assert not path.exists()


@pytest.mark.parametrize("kind", ["digests", "verified", "scales"])
def test_notes_that_save_work_stay(project: Path, kind: str) -> None:
    path = project / ".stroi" / kind / f"{'0' * 32}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    prune(project / ".stroi", 0, ("detections", "training", CRASHED))
    assert path.exists()


def test_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    for act in (find_unused, prune):
        with pytest.raises(RefusedInput, match=r"^STORE: .* is no store"):
            act(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
