"""A clip that crashes its worker costs only itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import recipes
from projects import environment
from tiny import tiny_project, tiny_videos

from stroi.cache.errors import ClipRejected
from stroi.cache.files.temporaries import this_process
from stroi.cache.manifest import read_manifest
from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.shards.build import build_shards
from stroi.pipeline.shards.crashes import CRASHED, MARKS, find_crashed, marked

BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import recipes
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.shards.build import build_shards
base = Path(sys.argv[2])
build_shards(base / "out", recipes.spec(), recipes.jobs(base / "texts"), clips_per_shard=3,
             store=base / "store", workers=Workers(1))
"""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(7):
        (folder / f"clip{number}.txt").write_text(f"text {number}")
    return folder


TWO = Workers(2)


def _build(texts: Path, workers: Workers = TWO, out: str = "out") -> Ledger:
    base = texts.parent
    return build_shards(
        base / out,
        recipes.spec(),
        recipes.jobs(texts),
        clips_per_shard=3,
        store=base / ("store" if out == "out" else f"store-{out}"),
        workers=workers,
    )


def _samples(out: Path) -> dict[str, str]:
    assert verify(out) == []
    return read_manifest(out).content_by_id


def _without(texts: Path, *names: str) -> Path:
    """What a run makes that never saw those clips."""
    for name in names:
        (texts / f"{name}.txt").rename(texts.parent / f"{name}.gone")
    _build(texts, Workers(1), out="without")
    for name in names:
        (texts.parent / f"{name}.gone").rename(texts / f"{name}.txt")
    return texts.parent / "without"


def _work(texts: Path) -> list[str]:
    log = texts.parent / "work.log"
    done = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return done


@pytest.mark.parametrize(
    ("text", "end"), [("crash", "SIGKILL"), ("segv", "SIGSEGV"), ("exit", "exit status 3")]
)
def test_crashing_clip_is_quarantined_and_the_run_goes_on(
    texts: Path, text: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (texts / "clip3.txt").write_text(text)
    without = _without(texts, "clip3")
    ledger = _build(texts)
    (lost,) = ledger.quarantined
    assert (lost.id, lost.code) == ("clip3", "CRASHED")
    said = f"its decoder or estimator crashed the process ({end}); encode the video again"
    assert lost.detail == f"{said} or leave it out"
    assert ledger.summary() == "7 clips = 6 done + 1 quarantined"
    out = texts.parent / "out"
    assert _samples(out) == _samples(without)
    # The clip starts no group of its own: all shards are the same, not only the samples.
    for shard in without.glob("*.h5"):
        assert (out / shard.name).read_bytes() == shard.read_bytes()
    said = capsys.readouterr().err
    assert f"texts: clip3 crashed the process ({end}); going on without it\n" in said


def test_crash_is_remembered_by_content_and_can_be_forgotten(texts: Path) -> None:
    (texts / "clip3.txt").write_text("segv")
    _build(texts)
    _work(texts)
    _build(texts)
    assert _work(texts) == []
    (texts / "clip4.txt").write_text("another text")
    _build(texts)
    assert "clip3" not in _work(texts), "a known crash was tried again"
    (texts / "clip3.txt").write_text("mended")
    assert _build(texts).quarantined == ()
    (texts / "clip3.txt").write_text("segv")
    _work(texts)
    assert len(_build(texts).quarantined) == 1
    assert _work(texts) == []
    (note,) = (texts.parent / "store" / CRASHED).iterdir()
    note.unlink()
    assert len(_build(texts).quarantined) == 1
    assert _work(texts).count("clip3") >= 2, "a forgotten crash was not tried again"


@pytest.mark.nightly
def test_many_crashing_clips_are_all_found(texts: Path) -> None:
    for name in ("clip0", "clip2", "clip5", "clip6"):
        (texts / f"{name}.txt").write_text("segv")
    without = _without(texts, "clip0", "clip2", "clip5", "clip6")
    ledger = _build(texts)
    assert [lost.id for lost in ledger.quarantined] == ["clip0", "clip2", "clip5", "clip6"]
    assert _samples(texts.parent / "out") == _samples(without)


def test_worker_killed_once_costs_no_clip(texts: Path) -> None:
    """Somebody killed a worker: the clip it had is good, as a process of its own shows."""
    (texts / "clip3.txt").write_text("once")
    assert _build(texts).quarantined == ()
    assert verify(texts.parent / "out") == []
    assert list((texts.parent / "store" / MARKS).iterdir()) == []


def test_crash_of_the_only_process_is_found_by_the_next_run(texts: Path) -> None:
    """With one job the clip takes the run along; the same command again goes on without it."""
    (texts / "clip3.txt").write_text("segv")
    without = _without(texts, "clip3")
    command = [sys.executable, "-c", BUILD, str(Path(recipes.__file__).parent), str(texts.parent)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGSEGV
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a process ended while it had clip3; trying that clip alone" in done.stderr
    assert _samples(texts.parent / "out") == _samples(without)


@pytest.mark.nightly
def test_crash_on_a_dask_cluster(texts: Path, tmp_path: Path) -> None:
    import dask
    from distributed import LocalCluster

    (texts / "clip3.txt").write_text("segv")
    without = _without(texts, "clip3")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
    ):
        ledger = _build(texts, Workers(2, "dask", cluster.scheduler_address))
    assert [(lost.id, lost.code) for lost in ledger.quarantined] == [("clip3", "CRASHED")]
    assert _samples(texts.parent / "out") == _samples(without)


def test_a_mark_lies_there_as_long_as_the_clip_is_in_hand(tmp_path: Path) -> None:
    with marked(tmp_path, "key"):
        (mark,) = (tmp_path / MARKS).iterdir()
        assert mark.name.startswith(f"{this_process()}.")
        assert mark.read_text() == "key"
    assert list((tmp_path / MARKS).iterdir()) == []
    with pytest.raises(ClipRejected, match="no use"), marked(tmp_path, "key"):
        raise ClipRejected("CODE", "no use")
    assert list((tmp_path / MARKS).iterdir()) == []


def test_no_mark_can_be_made_and_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / MARKS).write_bytes(b"in the way")
    with marked(tmp_path, "key"):
        pass


@pytest.fixture
def dead_mark(texts: Path) -> Path:
    """Where a process of this host that has ended would have left its mark."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path = texts.parent / "store" / MARKS / f"{dead.pid}-{this_process().split('-')[1]}.1"
    path.parent.mkdir(parents=True)
    return path


def test_mark_of_a_dead_process_names_a_suspect_who_may_be_good(
    texts: Path, dead_mark: Path
) -> None:
    spec, jobs = recipes.spec(), recipes.jobs(texts)
    dead_mark.write_text(spec.key(jobs[:1]))
    assert find_crashed(texts.parent / "store", spec, jobs) == {}
    assert _work(texts) == ["clip0"]
    assert not dead_mark.exists()


@pytest.mark.parametrize("text", ["", "half a", "f" * 64])
def test_other_marks_are_left_alone(texts: Path, dead_mark: Path, text: str) -> None:
    """Of the living, of other runs, and those that are not whole."""
    store, spec, jobs = texts.parent / "store", recipes.spec(), recipes.jobs(texts)
    dead_mark.write_text(text)
    with marked(store, spec.key(jobs[:1])):
        assert find_crashed(store, spec, jobs) == {}
        assert len(list((store / MARKS).iterdir())) == 2
    assert list((store / MARKS).iterdir()) == [dead_mark]
    assert _work(texts) == []


def test_a_clip_that_cannot_be_tried_is_not_blamed(
    texts: Path, dead_mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process for it never began: as if there were no memory for one."""
    spec, jobs = recipes.spec(), recipes.jobs(texts)
    dead_mark.write_text(spec.key(jobs[:1]))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/bin/false")
    assert find_crashed(texts.parent / "store", spec, jobs) == {}
    assert _work(texts) == []


HOLDING = """
import sys
from pathlib import Path
from stroi.pipeline.shards import crashes as suspects
suspects.this_process = lambda: sys.argv[2]
with suspects.marked(Path(sys.argv[1]), sys.argv[3]):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_the_mark_of_a_living_worker_that_looks_dead_names_no_suspect(
    texts: Path, dead_mark: Path
) -> None:
    """As in a container of its own, whose process numbers mean others here."""
    store, spec, jobs = texts.parent / "store", recipes.spec(), recipes.jobs(texts)
    maker = dead_mark.name.partition(".")[0]
    command = [sys.executable, "-c", HOLDING, str(store), maker, spec.key(jobs[:1])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
        assert find_crashed(store, spec, jobs) == {}
        assert _work(texts) == []
        assert len(list((store / MARKS).iterdir())) == 1
        worker.kill()
        worker.wait()
        assert find_crashed(store, spec, jobs) == {}
        assert _work(texts) == ["clip0"]
    assert list((store / MARKS).iterdir()) == []


CRASHING_DECODER = """
import ctypes
import stroi.stages.pose.detect as finding
detect = finding.detect
finding.detect = lambda video, *rest: (
    ctypes.string_at(0) if video.stem.startswith("read") else detect(video, *rest)
)
"""


@pytest.mark.nightly
def test_video_that_crashes_the_decoder_of_the_real_stage(tmp_path: Path) -> None:
    """The installed command, by two workers: all other clips get through it and the next stage."""
    raw = tiny_videos(tmp_path / "raw", clips=3)
    project = tiny_project(tmp_path / "project", raw)
    (tmp_path / "sitecustomize.py").write_text(CRASHING_DECODER)
    command = Path(sys.executable).parent / "stroi"
    said = {}
    for name in ("index", "skeletons", "mosaics"):
        done = subprocess.run(
            [command, name, "tiny", "--root", project, "--jobs", "2"],
            env={**environment(), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        said[name] = done.stderr
    assert "skeletons: read_s01 crashed the process (SIGSEGV); going on" in said["skeletons"]
    ledger = read_ledger(project / "data" / "tiny" / "skeletons")
    assert [(lost.id, lost.code) for lost in ledger.quarantined] == [("read_s01", "CRASHED")]
    for name in ("skeletons", "mosaics"):
        out = project / "data" / "tiny" / name
        assert verify(out) == []
        assert read_manifest(out).ids == ("drink_s01", "wave_slow_s01")
