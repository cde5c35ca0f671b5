"""What holds everywhere: label-blind, order-blind, killed and resumed, no bad clip in silence."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from projects import environment, new_project, render, run_all, stage, tree

from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import read_ledger

pytestmark = pytest.mark.slow
KEPT = {"drink", "phone", "wave_slow", "give_bottle"}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight rendered clips: four classes, one of two people, by two subjects."""
    raw = tmp_path_factory.mktemp("rendered") / "raw"
    render(raw, KEPT)
    return raw


@pytest.fixture(scope="module")
def undisturbed(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made of the eight clips, by one process, without a break."""
    project = _project(tmp_path_factory.mktemp("undisturbed"), rendered)
    run_all(project)
    return project


def _read_table(raw: Path) -> Rows:
    with (raw / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _write_table(raw: Path, rows: Rows) -> None:
    with (raw / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _project(folder: Path, rendered: Path, limit: float = 0.0) -> Path:
    project = new_project(folder / "project", limit=limit)
    shutil.copytree(rendered, project / "data" / "demo" / "raw")
    return project


def _made(project: Path) -> dict[str, bytes]:
    data = {
        f"data/{name}": value
        for name, value in tree(project / "data" / "demo").items()
        if not name.startswith("raw/")
    }
    return data | tree(project / "runs")


def test_order_of_the_table_changes_no_byte_of_anything(
    rendered: Path, undisturbed: Path, tmp_path: Path
) -> None:
    project = _project(tmp_path, rendered)
    raw = project / "data" / "demo" / "raw"
    rows = _read_table(raw)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert shuffled != rows
    _write_table(raw, shuffled)
    run_all(project)
    expected = _made(undisturbed)
    made = _made(project)
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_permuted_labels_change_no_tensor(
    rendered: Path, undisturbed: Path, tmp_path: Path
) -> None:
    project = _project(tmp_path, rendered)
    raw = project / "data" / "demo" / "raw"
    rows = _read_table(raw)
    chance = random.Random(2)
    poisoned = []
    # Each subject by itself, or a class might lose all its training clips, which index refuses.
    for subject in sorted({row["subject"] for row in rows}):
        own = [row for row in rows if row["subject"] == subject]
        labels = chance.sample([row["label"] for row in own], len(own))
        poisoned += [{**row, "label": label} for row, label in zip(own, labels, strict=True)]
    before = {row["sample_id"]: row["label"] for row in rows}
    assert sum(row["label"] != before[row["sample_id"]] for row in poisoned) >= 4
    _write_table(raw, poisoned)
    for name in ("index", "skeletons", "mosaics"):
        assert stage(project, name, "demo") == 0
    gcn = Path("runs", "demo-xsub", "gcn")
    shutil.copytree(undisturbed / gcn, project / gcn)
    assert stage(project, "weights", "demo-xsub") == 0
    for name in ("data/demo/skeletons", "data/demo/mosaics", "runs/demo-xsub/weights"):
        assert tree(project / name) == tree(undisturbed / name)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        pytest.param("skeletons", (3, 7), marks=pytest.mark.nightly),
        ("mosaics", (7, 1)),
    ],
)
def test_killed_stage_goes_on_where_it_stopped(
    rendered: Path, undisturbed: Path, tmp_path: Path, name: str, points: tuple[int, ...]
) -> None:
    project = _project(tmp_path, rendered)
    stages = ("index", "skeletons", "mosaics")
    for earlier in stages[: stages.index(name)]:
        assert stage(project, earlier, "demo") == 0
    command = [sys.executable, "-c", "from stroi.pipeline.cli import main; main()", name, "demo"]
    for passing in points:
        killed = subprocess.run(
            [*command, "--jobs", "1"],
            cwd=project,
            env={**environment(), "STROI_FAULT": f"after_decode:{passing}:kill"},
        )
        assert killed.returncode == -signal.SIGKILL
        assert not (project / "data" / "demo" / name / "manifest.json").exists()
    done = _finished_work(project, name)
    assert done, "nothing was finished before the kill"
    assert stage(project, name, "demo") == 0
    now = _finished_work(project, name)
    assert {file: now[file] for file in done} == done, "finished work was done again"
    out = f"data/demo/{name}"
    assert tree(project / out) == tree(undisturbed / out)
    assert verify(project / out) == []


def _finished_work(project: Path, name: str) -> dict[str, int]:
    """Files of the store that hold finished work, and when each was written.

    The largest shard is made first: six clips, then two.
    """
    folder = "detections" if name == "skeletons" else name
    paths = sorted((project / ".stroi" / folder).glob("*[!x].*"))
    return {path.name: path.stat().st_mtime_ns for path in paths if ".tmp-" not in path.name}


@pytest.mark.nightly
def test_random_kills_of_a_parallel_run(rendered: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Kill -9 of the whole group at random times, until a run gets through."""
    project = _project(tmp_path, rendered)
    assert stage(project, "index", "demo") == 0
    command = [sys.executable, "-c", "from stroi.pipeline.cli import main; main()"]
    pauses = random.Random(5)
    for _ in range(4):
        process = subprocess.Popen(
            [*command, "skeletons", "demo", "--jobs", "2"],
            cwd=project,
            env=environment(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(pauses.uniform(1.5, 4.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        manifest = project / "data" / "demo" / "skeletons" / "manifest.json"
        assert not manifest.exists() or verify(manifest.parent) == []
    assert stage(project, "skeletons", "demo") == 0
    out = "data/demo/skeletons"
    assert tree(project / out) == tree(undisturbed / out)


@pytest.mark.nightly
def test_a_dask_cluster_writes_the_same_bytes(
    rendered: Path, undisturbed: Path, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    project = _project(tmp_path, rendered)
    assert stage(project, "index", "demo") == 0
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
    ) as cluster:
        for name in ("skeletons", "mosaics"):
            done = subprocess.run(
                [sys.executable, "-c", "from stroi.pipeline.cli import main; main()", name, "demo",
                 "--jobs", "2", "--backend", "dask", "--scheduler", cluster.scheduler_address],
                cwd=project, env=environment(), capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            out = f"data/demo/{name}"
            assert tree(project / out) == tree(undisturbed / out)


def _bad_videos(raw: Path) -> Rows:
    """A broken, an empty and a person-less video, beside the good ones."""
    good = next(path for path in sorted((raw / "videos").iterdir()))
    data = good.read_bytes()
    (raw / "videos" / "broken.avi").write_bytes(data[: len(data) // 3])
    (raw / "videos" / "empty.avi").write_bytes(b"")
    noise = np.random.default_rng(0)
    writer = cv2.VideoWriter(
        str(raw / "videos" / "nobody.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (320, 240)
    )
    for _ in range(12):
        writer.write(noise.integers(90, 110, (240, 320, 3), dtype=np.uint8))
    writer.release()
    return [
        {"sample_id": name, "video": f"videos/{name}.avi", "label": "drink", "subject": "s01",
         "camera": "c1"}
        for name in ("broken", "empty", "nobody")
    ]  # fmt: skip


def test_bad_videos_are_quarantined_and_the_rest_is_complete(
    rendered: Path, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _project(tmp_path, rendered, limit=0.5)
    raw = project / "data" / "demo" / "raw"
    _write_table(raw, [*_bad_videos(raw), *_read_table(raw)])
    run_all(project)
    ledger = read_ledger(project / "data" / "demo" / "skeletons")
    assert ledger.summary() == "11 clips = 8 done + 3 quarantined"
    codes = {lost.id: lost.code for lost in ledger.quarantined}
    assert codes == {"broken": codes["broken"], "empty": "VIDEO_EMPTY", "nobody": "NO_PERSON"}
    assert codes["broken"] in {"VIDEO_FRAMES", "VIDEO_OPEN"}
    assert all(lost.detail for lost in ledger.quarantined)
    assert read_ledger(project / "data" / "demo" / "mosaics").done == ledger.done
    page = (project / "runs" / "demo-xsub" / "report.html").read_text()
    assert "NO_PERSON" in page

    from stroi.cache.mosaics import MosaicCache

    mine = MosaicCache(project / "data" / "demo" / "mosaics")
    theirs = MosaicCache(undisturbed / "data" / "demo" / "mosaics")
    assert mine.ids == theirs.ids
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine.ids)


def test_too_many_bad_videos_fail_the_stage_after_the_rest_is_done(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _project(tmp_path, rendered, limit=0.2)
    raw = project / "data" / "demo" / "raw"
    _write_table(raw, [*_bad_videos(raw), *_read_table(raw)])
    assert stage(project, "index", "demo") == 0
    assert stage(project, "skeletons", "demo") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: QUARANTINED: 3 of 11 clips were quarantined, first broken (")
    assert "mend the clips or raise max_quarantined" in last
    assert len(read_ledger(project / "data" / "demo" / "skeletons").done) == 8
