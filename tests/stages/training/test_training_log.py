"""What is recorded of a training: curve, times, TensorBoard's logs; and a stage under torchrun."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from projects import environment
from small_project import project_with_mosaics

from stroi.cache.errors import ParamsError
from stroi.pipeline.cli import run
from stroi.stages.training.training_log import NO_LOGS, LogFolders, log_epochs
from stroi.trainer.run.progress import EpochRecord

RECORD = EpochRecord(0, 1.5, 0.5, 0.1, 2.0, 40.0, data_wait=0.25)
COMMAND = ("resnet", "demo-xsub", "plain", "--threads", "1")
NAME = "demo-xsub-resnet-plain-seed-0"


def _project(folder: Path) -> Path:
    """Mosaics of two subjects, of which one trains for two epochs."""
    root = project_with_mosaics(folder)
    profile = root / "profiles" / "demo.yaml"
    text = profile.read_text(encoding="utf-8").replace("[s09, s10, s11, s12]", "[s02]")
    before, _, _ = text.partition("resnet:")
    schedule = "{epochs: 2, batch_size: 4, lr: 0.0001}"
    profile.write_text(
        f"{before}resnet:\n  precision: fp32\n  schedule: {schedule}\n", encoding="utf-8"
    )
    return root


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.nightly
def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    """The stage by itself and under torchrun: an out, one curve, times and logs."""
    alone, both = _project(tmp_path / "alone"), _project(tmp_path / "both")
    board = tmp_path / "board"
    assert run([*COMMAND, "--root", str(alone), "--tensorboard", str(board)]) == 0
    script = Path(sys.executable).with_name("stroi")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*start, "--no-python", script, *COMMAND, "--root", both],
        env=environment(), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained with 1 seed") == 1
    out = Path("runs", "demo-xsub", "resnet-plain", "seed-0")
    curves = [_rows(root / out / "curve.csv") for root in (alone, both)]
    for one, two in zip(*curves, strict=True):
        # Close and not equal: each process normalises its own clips.
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), abs=0.2)
    for root in (alone, both):
        assert (root / out / "checkpoint.safetensors").is_file()
        assert (root / out / "scores" / "manifest.json").is_file()
        times = _rows(root / ".stroi" / "times" / f"{NAME}.csv")
        assert [row["epoch"] for row in times] == ["0", "1"]
        assert all(0 <= float(row["wait"]) <= 1 for row in times)
        assert all(float(row["clips_per_second"]) > 0 for row in times)
        assert {row["gpu"] for row in times} == {"nan"}
    assert _scalars(board / NAME)["loss/training"] == [
        (number, pytest.approx(float(row["loss"]), rel=1e-4))
        for number, row in enumerate(curves[0])
    ]


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder))
    found.Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def test_tensorboard_that_is_not_installed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    folders = LogFolders(tmp_path, tmp_path / "board")
    with pytest.raises(ParamsError) as caught, log_epochs([], 1, "gcn", "x", folders):
        pass
    assert str(caught.value) == (
        "TENSORBOARD: --tensorboard needs the package tensorboard, which is not installed; "
        "pip install 'stroi[log]', or leave the option out"
    )


def test_times_alone_need_no_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(name))
    with log_epochs([], 1, "gcn", "x", LogFolders(tmp_path)) as on_epoch:
        on_epoch(RECORD)
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == (
        "epoch,seconds,clips_per_second,wait,gpu\n0,2.000,40.0,0.2500,nan\n"
    )


def test_a_training_that_goes_on_replaces_its_logs(tmp_path: Path) -> None:
    for count in (1, 2):
        folders = LogFolders(tmp_path, tmp_path / "board")
        with log_epochs([], count, "gcn", "x", folders) as on_epoch:
            for epoch in range(count):
                on_epoch(EpochRecord(epoch, 1.5 - epoch, 0.5, 0.1, 2.0, 40.0, gpu_utilisation=0.5))
    scalars = _scalars(tmp_path / "board" / "x")
    assert scalars["loss/training"] == [(0, 1.5), (1, 0.5)]
    assert scalars["speed/share of time the GPU works"] == [(0, 0.5), (1, 0.5)]
    assert "loss/validation" not in scalars


def test_a_summary_shows_100_percent_only_if_all_clips_are_correct(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for accuracy, text in ((1.0, "accuracy 100.0%, "), (2499 / 2500, "accuracy 99.96%, ")):
        with log_epochs([], 1, "gcn", "r-gcn-seed-0", NO_LOGS) as on_epoch:
            on_epoch(replace(RECORD, accuracy=accuracy, validation_accuracy=accuracy))
        assert capsys.readouterr().err.count(text) == 2
