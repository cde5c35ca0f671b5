"""Fan-out: results, progress lines, errors."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import refuse, square, wait_for

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.cache.files.temporaries import this_process
from stroi.pipeline.parallel.executor import Workers, parallel_map_unordered
from stroi.pipeline.parallel.progress import progress


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_gives_a_result(
    tmp_path: Path, jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    results = parallel_map_unordered(
        square, range(9), workers=Workers(jobs), total=9, label="squares", scratch=tmp_path
    )
    assert sorted(results) == [number * number for number in range(9)]
    assert "squares: 9/9 clips in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_slow_task_holds_back_no_other(tmp_path: Path) -> None:
    """The first waits for a file that is there once the second has come."""
    flag = str(tmp_path / "flag")
    stream = parallel_map_unordered(
        wait_for, [flag, ""], workers=Workers(2), total=2, label="x", scratch=tmp_path
    )
    assert next(stream) == ""
    Path(flag).touch()
    assert list(stream) == [flag]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_task_arrives_whole(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(ClipRejected) as caught:
        list(
            parallel_map_unordered(
                refuse, [3], workers=Workers(jobs), total=1, label="x", scratch=tmp_path
            )
        )
    assert (caught.value.code, caught.value.remedy) == ("CODE", "take another")


@pytest.mark.parametrize(
    ("address", "text"),
    [(None, "the dask backend needs a scheduler"), ("tcp://127.0.0.1:9", "no dask scheduler ans")],
)
def test_dask_needs_a_scheduler(
    tmp_path: Path, address: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stroi.pipeline.parallel.executor._PATIENCE", 1)
    workers = Workers(2, "dask", address)
    with pytest.raises(ParamsError, match=f"{text}.*add --scheduler tcp://HOST:PORT"):
        list(
            parallel_map_unordered(
                square, [1], workers=workers, total=1, label="x", scratch=tmp_path
            )
        )


def test_dask_needs_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr("stroi.pipeline.parallel.executor._PATIENCE", 1)
    with LocalCluster(n_workers=0, dashboard_address=None, local_directory=tmp_path) as cluster:
        workers = Workers(2, "dask", cluster.scheduler_address)
        with pytest.raises(ParamsError, match="has no workers"):
            list(
                parallel_map_unordered(
                    square, [1], workers=workers, total=1, label="x", scratch=tmp_path
                )
            )


def test_folders_of_killed_runs_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"progress.tmp-{dead.pid}-{this_process().split('-')[1]}-00000000"
    left.mkdir()
    (left / "1").write_bytes(b".")
    list(
        parallel_map_unordered(square, [1], workers=Workers(), total=1, label="x", scratch=tmp_path)
    )
    assert list(tmp_path.iterdir()) == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_rate_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress(4, label="squares", unit="epochs") as bar:
        bar.update(3, "loss 0.5")
    shown = terminal.getvalue().split("\r")[-1]
    assert "squares:  75%" in shown
    assert "3/4" in shown
    assert "loss 0.5" in shown


def test_plain_lines_tell_count_and_note(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(4, label="squares", unit="epochs") as bar:
        bar.update(4, "loss 0.5")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("squares: 4/4 epochs in ")
    assert line.endswith(", loss 0.5")
