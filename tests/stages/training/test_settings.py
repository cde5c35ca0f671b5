"""A stage with `--set`: the value is used, recorded and in the key, and DVC is not misled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from projects import ROOT, dvc, new_repository, tree
from trained_project import PARAMS, project

from stroi.cache.manifest import read_manifest
from stroi.pipeline.cli import COMMANDS, run, stroi
from stroi.pipeline.versions import STAGES

EPOCHS = "resnet.schedule.epochs=2"


def _epochs(folder: Path) -> int:
    return len((folder / "seed-0" / "curve.csv").read_text().splitlines()) - 1


def test_a_training_with_a_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    workspace, _ = project(tmp_path)
    (tmp_path / "params.yaml").write_text(f"rendered: []\nsensors: []\nshow: r\n{PARAMS}")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    out = workspace.run("r", "resnet-plain")
    command = ("resnet", "r", "plain", "--threads", "1", "--root", str(tmp_path))

    assert run(command) == 0
    assert _epochs(out) == 1
    assert "next: `dvc commit --force resnet-plain@r`" in capsys.readouterr().out
    keys = {path.name for path in (workspace.store / "training").iterdir()}

    assert run([*command, "--set", EPOCHS, "--set", "resnet.flip=0"]) == 0
    assert _epochs(out) == 2
    assert read_manifest(out / "seed-0" / "scores").params["schedule"]["epochs"] == 2
    assert {path.name for path in (workspace.store / "training").iterdir()} > keys
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "resnet plain r: trained with 1 seed; test accuracy 66.7 % (3 clips, chance 50.0 %)",
        "note: DVC does not know of --set: do not `dvc commit` resnet-plain@r; the next `dvc repro`"
        " puts the profile's result in its place. DVC tracks `dvc exp run -S"
        f" profiles/d.yaml:{EPOCHS} -S profiles/d.yaml:+resnet.flip=0 resnet-plain@r`",
    ]

    monkeypatch.setenv("DVC_STAGE", "resnet-plain@r")
    assert run([*command, "--set", EPOCHS]) == 0
    assert "note:" not in capsys.readouterr().out


@pytest.mark.nightly
def test_dvc_puts_the_profile_s_result_in_its_place(tmp_path: Path) -> None:
    folder = new_repository(tmp_path / "project")
    raw = folder / "data" / "demo" / "raw"
    assert dvc(folder, "repro", "sample@demo").returncode == 0
    before = tree(raw)
    one_job = ("--root", str(folder), "--jobs", "1")
    assert run(["sample", "demo", *one_job, "--set", "sample.seed=1"]) == 0
    assert tree(raw) != before
    assert "modified:           data/demo/raw" in dvc(folder, "status", "sample@demo").stdout
    assert dvc(folder, "repro", "sample@demo").returncode == 0
    assert tree(raw) == before


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_takes_it_and_no_other_command(name: str) -> None:
    taking = {
        each
        for each in COMMANDS
        if "--set"
        in {option for param in stroi.get_command(None, each).params for option in param.opts}
    }
    assert name in taking
    assert taking == set(STAGES)
