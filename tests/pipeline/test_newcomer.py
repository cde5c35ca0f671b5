"""A newcomer's path: videos in class folders, one command, and the pipeline runs on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from projects import ROOT, dvc, new_repository

from stroi.cache.verify import verify
from stroi.pipeline.cli import run
from stroi.pipeline.index.ledger import read_ledger
from stroi.stages.demo.clips import DemoClip
from stroi.stages.demo.render import render_clip

pytestmark = pytest.mark.slow

CLASSES = {"drink": "sip", "read": "browse"}
PEOPLE = ("s01", "s02", "s03")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered clips ``<class>/<person>_front_1.avi``, and what lies about in such folders."""
    folder = tmp_path_factory.mktemp("newcomer") / "My Videos"
    for label, pair in CLASSES.items():
        (folder / label).mkdir(parents=True)
        for person in PEOPLE:
            clip = DemoClip(f"{label}_{person}", label, person, "c1", pair, seed=0, frames=(30, 31))
            render_clip(clip, folder / label / f"{person}_front_1.avi")
    (folder / "drink" / "Thumbs.db").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Path:
    """The repository as it is cloned, after `stroi init`."""
    folder = new_repository(tmp_path_factory.mktemp("clone") / "project")
    for name in ("params.yaml", "profiles/demo.yaml"):
        shutil.copy(ROOT / name, folder / name)
    pattern = ("--pattern", "{subject}_{camera}_{*}", "--people", "1", "--source", "movenet")
    assert run(["init", "mine", "--videos", str(videos), *pattern, "--root", str(folder)]) == 0
    return folder


def test_the_written_project_is_valid_and_dvc_sees_through_the_link(
    project: Path, videos: Path
) -> None:
    assert run(["check", "--root", str(project)]) == 0
    done = dvc(project, "repro", "index@mine", STROI_JOBS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'index@mine'" in done.stdout
    ledger = read_ledger(project / "data" / "mine" / "index")
    assert list(ledger.done) == [
        f"{label}_{person}_front_1" for label in CLASSES for person in PEOPLE
    ]
    assert ledger.summary() == "6 clips = 6 done + 0 quarantined"
    # The data set lies outside; another clip in it is noticed.
    shutil.copy(videos / "drink" / "s01_front_1.avi", videos / "drink" / "s01_front_2.avi")
    done = dvc(project, "repro", "index@mine", STROI_JOBS="1")
    (videos / "drink" / "s01_front_2.avi").unlink()
    assert "Running stage 'index@mine'" in done.stdout
    assert len(read_ledger(project / "data" / "mine" / "index").done) == 7


def test_the_stages_run_to_the_table(project: Path) -> None:
    profile = project / "profiles" / "mine.yaml"
    written = profile.read_text()
    quick = written.replace("epochs: 40", "epochs: 2").replace("[28, 36]", "[1]")
    quick = quick.replace("size: 225", "size: 60").replace("frames: 64", "frames: 12")
    quick = quick.replace("source: movenet", "source: movenet\n  input_size: 128")
    profile.write_text(quick)
    assert quick.count("epochs: 2") == 2
    here, one, thread = ("--root", str(project)), ("--jobs", "1"), ("--threads", "1")
    for stage in ("index", "skeletons", "mosaics"):
        assert run([stage, "mine", *here, *one]) == 0
    for stage in (
        ("gcn",),
        ("weights",),
        ("resnet", "plain"),
        ("resnet", "fixed"),
        ("resnet", "end-to-end"),
    ):
        assert run([stage[0], "mine-fold1", *stage[1:], *here, *thread]) == 0
    for name in ("ensemble", "report"):
        assert run([name, "mine-fold1", *here]) == 0
    runs = project / "runs" / "mine-fold1"
    table = json.loads((runs / "ensemble" / "table.json").read_text())
    assert (table["test_clips"], table["chance"], len(table["rows"])) == (2, 50.0, 7)
    assert (runs / "report.html").stat().st_size > 10_000
    assert verify(project / "data" / "mine" / "mosaics") == []
    profile.write_text(written)
