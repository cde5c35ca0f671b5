"""All folds of a data set in one go: `stroi init --all`, then `dvc repro`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import dvc, new_repository, render

from stroi.pipeline.cli import run

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def test_init_and_repro_give_one_table_of_all_folds(tmp_path: Path) -> None:
    project = new_repository(tmp_path / "project")
    (project / "params.yaml").write_text(
        "rendered: []\ndatasets: []\nsensors: []\nruns: {}\npools: {}\nshow: mine-fold1\n"
    )
    render(tmp_path / "videos", ("drink", "read"))
    command = ("init", "mine", "--videos", str(tmp_path / "videos"), "--people", "1")
    folds = ("--folds", "2", "--all", "--root", str(project))
    assert run([*command, "--source", "movenet", *folds]) == 0
    profile = project / "profiles" / "mine.yaml"
    quick = profile.read_text().replace("epochs: 40", "epochs: 1").replace("[28, 36]", "[]")
    quick = quick.replace("size: 225", "size: 60").replace("frames: 64", "frames: 12")
    profile.write_text(quick.replace("source: movenet", "source: movenet\n  input_size: 128"))
    assert run(["check", "--root", str(project)]) == 0
    done = dvc(project, "repro", STROI_JOBS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chance 50.0 %)" in done.stdout
    assert "Running stage 'pool@mine-folds'" in done.stdout
    table = json.loads((project / "runs" / "mine-folds" / "ensemble" / "table.json").read_text())
    assert list(table["folds"]) == ["mine-fold1", "mine-fold2"]
    assert table["test_clips"] == sum(fold["test_clips"] for fold in table["folds"].values())
    assert (project / "runs" / "mine-folds" / "report.html").is_file()
    again = dvc(project, "repro")
    assert "Running stage" not in again.stdout
