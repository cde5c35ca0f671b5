"""Shards: finished work is never redone, never stale, never silently short."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recipes

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest
from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import Ledger, check_share, read_ledger
from stroi.pipeline.parallel.executor import WorkerKilled, Workers
from stroi.pipeline.shards import build
from stroi.pipeline.shards.build import build_shards
from stroi.pipeline.shards.finished_clips import CLIPS


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(7):
        (folder / f"clip{number}.txt").write_text(f"text {number}")
    return folder


def _build(texts: Path, *, out: str = "out", factor: int = 1, jobs: int = 1) -> Ledger:
    base = texts.parent
    return build_shards(
        base / out,
        recipes.spec(factor),
        recipes.jobs(texts)[::-1],
        clips_per_shard=3,
        store=base / "store",
        workers=Workers(jobs),
    )


def _work(texts: Path) -> list[str]:
    log = texts.parent / "work.log"
    done = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return done


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_shards_verify_and_hold_every_clip(texts: Path) -> None:
    ledger = _build(texts)
    out = texts.parent / "out"
    assert verify(out) == []
    assert ledger == read_ledger(out)
    assert ledger.summary() == "7 clips = 7 done + 0 quarantined"
    assert sorted(path.name for path in out.glob("*.h5")) == [
        "texts-00000.h5",
        "texts-00001.h5",
        "texts-00002.h5",
    ]
    assert b"text 6text 6" in (out / "texts-00002.h5").read_bytes()


def test_manifest_says_what_each_sample_was_made_from(texts: Path) -> None:
    _build(texts)
    ledger, *shards = read_manifest(texts.parent / "out").files
    assert ledger.name == "ledger.csv"
    made_from = {
        sample_id: digest
        for entry in shards
        for sample_id, digest in zip(entry.ids, entry.inputs["text"], strict=True)
    }
    assert made_from == {path.stem: sha256_file(path) for path in texts.iterdir()}


def test_bytes_do_not_depend_on_the_number_of_processes(texts: Path) -> None:
    _build(texts)
    other = texts.parent / "other"
    base = texts.parent
    build_shards(
        other,
        recipes.spec(),
        recipes.jobs(texts),
        clips_per_shard=3,
        store=base / "store2",
        workers=Workers(2),
    )
    assert _tree(base / "out") == _tree(other)


def test_all_workers_share_the_clips_of_one_shard(texts: Path) -> None:
    """Each of the first four waits until the four are in work at once."""
    for number in range(4):
        (texts / f"clip{number}.txt").write_text("four at once")
    base = texts.parent
    build_shards(
        base / "out",
        recipes.spec(),
        recipes.jobs(texts),
        clips_per_shard=1 << 20,
        store=base / "store",
        workers=Workers(4),
    )
    assert [path.name for path in (base / "out").glob("*.h5")] == ["texts-00000.h5"]
    assert verify(base / "out") == []


def test_finished_clips_of_an_unfinished_shard_are_kept(texts: Path) -> None:
    """The last clip of a shard of seven ends the run; the other six are not made again."""
    base = texts.parent

    def build() -> None:
        build_shards(
            base / "out",
            recipes.spec(),
            recipes.jobs(texts),
            clips_per_shard=1 << 20,
            store=base / "store",
            workers=Workers(1),
        )

    (texts / "clip2.txt").write_text("bad text")
    (texts / "clip6.txt").write_text("lost")
    with pytest.raises(StroiError, match="CLIP_READ"):
        build()
    kept = sorted((base / "store" / CLIPS).iterdir())
    assert len(kept) == 6
    damaged = bytearray(kept[0].read_bytes())
    damaged[-1] ^= 1
    kept[0].write_bytes(bytes(damaged))
    kept[1].write_bytes(b"cut")
    _work(texts)
    (texts / "clip6.txt").write_text("text 6")
    build()
    assert len(_work(texts)) == 3, "two damaged ones and the last"
    assert list((base / "store" / CLIPS).iterdir()) == []
    assert verify(base / "out") == []
    assert [lost.id for lost in read_ledger(base / "out").quarantined] == ["clip2"]


def test_bytes_do_not_depend_on_the_backend_or_on_who_gets_which_clip(
    texts: Path, tmp_path: Path
) -> None:
    """Four clips are of one video; the workers of the cluster are threads of this process."""
    from distributed import LocalCluster

    base = texts.parent
    tasks = [
        replace(task, place=("video", number) if number < 4 else ("", 0))
        for number, task in enumerate(recipes.jobs(texts))
    ]
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
        local_directory=tmp_path,
    ) as cluster:  # fmt: skip
        cases = {"one": Workers(1), "dask": Workers(2, "dask", cluster.scheduler_address)}
        for name, workers in cases.items():
            build_shards(
                base / name, recipes.spec(), tasks, clips_per_shard=3, store=base / f"store-{name}",
                workers=workers,
            )  # fmt: skip
    assert _tree(base / "one") == _tree(base / "dask")
    assert list((base / "store-dask" / CLIPS).iterdir()) == []


def test_second_run_does_no_work(texts: Path) -> None:
    _build(texts)
    first = _tree(texts.parent / "out")
    assert len(_work(texts)) == 7
    _build(texts)
    assert _work(texts) == []
    assert _tree(texts.parent / "out") == first


def test_finished_shards_start_no_worker(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _build(texts)
    _work(texts)
    started: list[int] = []
    start = build.parallel_map_unordered

    def count(function: Any, tasks: Any, **options: Any) -> Any:
        started.append(len(tasks))
        return start(function, tasks, **options)

    monkeypatch.setattr(build, "parallel_map_unordered", count)
    _build(texts, jobs=2)
    assert started == []
    assert "texts: 7 clips are in the store\n" in capsys.readouterr().err
    (texts / "clip4.txt").write_text("another text")
    _build(texts, jobs=2)
    assert started == [5]
    assert "texts: 2 clips are in the store\n" in capsys.readouterr().err


def test_parts_of_a_video_are_made_in_their_order_and_kept_in_that_of_their_ids(
    texts: Path,
) -> None:
    _build(texts)
    expected = _tree(texts.parent / "out")
    (texts.parent / "work.log").unlink()
    tasks = [
        replace(task, place=("video", 10 - number))
        for number, task in enumerate(recipes.jobs(texts))
    ]
    build_shards(
        texts.parent / "other", recipes.spec(), tasks, clips_per_shard=3,
        store=texts.parent / "store2", workers=Workers(1),
    )  # fmt: skip
    assert _tree(texts.parent / "other") == expected
    made = (texts.parent / "work.log").read_text().split()
    assert made == [f"clip{number}" for number in range(6, -1, -1)]


def test_one_changed_clip_redoes_its_shard_only(texts: Path) -> None:
    _build(texts)
    _work(texts)
    (texts / "clip4.txt").write_text("another text")
    _build(texts)
    assert _work(texts) == ["clip1", "clip2", "clip3", "clip4", "clip5"]
    assert verify(texts.parent / "out") == []


def test_added_and_removed_clips_redo_only_the_shards_around_them(texts: Path) -> None:
    _build(texts)
    _work(texts)
    (texts / "a-first.txt").write_text("in front of all")
    _build(texts)
    assert _work(texts) == ["a-first"]
    (texts / "clip0.txt").unlink()
    _build(texts)
    assert _work(texts) == []
    assert verify(texts.parent / "out") == []


def test_changed_params_leave_no_stale_shard_and_come_back_for_free(texts: Path) -> None:
    _build(texts)
    first = _tree(texts.parent / "out")
    _build(texts, factor=2)
    assert _tree(texts.parent / "out") != first
    _work(texts)
    _build(texts, factor=1)
    assert _work(texts) == []
    assert _tree(texts.parent / "out") == first


def test_removed_clips_leave_no_orphan_shard(texts: Path) -> None:
    _build(texts)
    for number in range(1, 7):
        (texts / f"clip{number}.txt").unlink()
    _build(texts)
    out = texts.parent / "out"
    assert sorted(path.name for path in out.glob("*.h5")) == ["texts-00000.h5"]
    assert verify(out) == []


@pytest.mark.parametrize("what", ["h5", "json"])
def test_damaged_store_is_noticed_and_redone(texts: Path, what: str) -> None:
    """One flipped bit in the bytes, or in what is known of them, and the shard is made anew."""
    _build(texts)
    first = _tree(texts.parent / "out")
    _work(texts)
    for victim in sorted((texts.parent / "store" / "texts").glob(f"*.{what}")):
        data = bytearray(victim.read_bytes())
        data[data.find(b"letters") if what == "json" else 0] ^= 1
        victim.unlink()
        victim.write_bytes(bytes(data))
    _build(texts)
    assert len(_work(texts)) == 7
    assert _tree(texts.parent / "out") == first


def test_bad_clip_is_quarantined_and_the_rest_is_complete(texts: Path) -> None:
    (texts / "clip2.txt").write_text("bad text")
    (texts / "clip6.txt").write_text("bad text")
    ledger = _build(texts)
    out = texts.parent / "out"
    assert [(lost.id, lost.code, lost.detail) for lost in ledger.quarantined] == [
        ("clip2", "BAD_TEXT", "clip2.txt starts with bad"),
        ("clip6", "BAD_TEXT", "clip6.txt starts with bad"),
    ]
    assert ledger.done == ("clip0", "clip1", "clip3", "clip4", "clip5")
    assert verify(out) == []
    assert not (out / "texts-00002.h5").exists()
    _work(texts)
    _build(texts)
    assert _work(texts) == []
    check_share(ledger, 0.3, out)
    with pytest.raises(StroiError, match=r"2 of 7 clips were quarantined, first clip2 \(BAD_TEXT"):
        check_share(ledger, 0.2, out)


def test_worker_that_dies_with_no_clip_to_blame_is_explained(texts: Path) -> None:
    """Writing the shard kills the worker: every clip alone is good."""
    (texts / "clip6.txt").write_text("too much")
    with pytest.raises(WorkerKilled, match=r"a worker process was killed.*goes on where it stop"):
        _build(texts, jobs=2)
    assert not (texts.parent / "out" / "manifest.json").exists()
    (texts / "clip6.txt").write_text("text 6")
    _work(texts)
    _build(texts, jobs=2)
    assert _work(texts) == ["clip6"]
    assert verify(texts.parent / "out") == []


def test_disk_that_cannot_be_read_fails_the_run_plainly(texts: Path) -> None:
    (texts / "clip6.txt").write_text("lost")
    with pytest.raises(StroiError, match=r"^CLIP_READ: clip clip6 cannot be made: Input/output"):
        _build(texts)


def test_out_that_cannot_be_written_fails_before_any_work(texts: Path) -> None:
    (texts.parent / "out").write_bytes(b"a file")
    with pytest.raises(StroiError, match=r"^WRITE_FAILED: .*/out cannot be written"):
        _build(texts)
    assert _work(texts) == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import recipes
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.shards import build
from stroi.pipeline.shards.build import build_shards
base = Path(sys.argv[2])
build_shards(base / "out", recipes.spec(), recipes.jobs(base / "texts"), clips_per_shard=3,
             store=base / "store", workers=Workers(1))
"""
POINTS = (
    "after_decode",
    "before_link",
    "before_write",
    "mid_write",
    "before_fsync",
    "before_rename",
    "after_rename",
    "before_manifest",
    "after_manifest",
)


@pytest.mark.parametrize("point", POINTS)
def test_kill_at_every_point_then_rerun_gives_the_same_bytes(texts: Path, point: str) -> None:
    """Kill at the 1st, 2nd, ... passing of `point` until none fires; finish; compare."""
    _build(texts, out="undisturbed")
    undisturbed = _tree(texts.parent / "undisturbed")
    subprocess.run(["rm", "-rf", str(texts.parent / "store")], check=True)
    _work(texts)
    command = [sys.executable, "-c", KILLED, str(Path(recipes.__file__).parent), str(texts.parent)]
    for passing in range(1, 30):
        environment = {**os.environ, "STROI_FAULT": f"{point}:{passing}:kill"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        for shard in (texts.parent / "out").glob("*.h5"):
            assert shard.read_bytes() == undisturbed[shard.name]
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
    assert done.returncode == 0
    assert passing > 1, "the fault never fired"
    assert _tree(texts.parent / "out") == undisturbed
    # A kill costs at most the clip in hand.
    assert len(_work(texts)) <= 7 + passing
    assert list((texts.parent / "store" / CLIPS).iterdir()) == []
