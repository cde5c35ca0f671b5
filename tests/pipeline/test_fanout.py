"""Fan-out: order of results, progress lines, errors."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.pipeline.fanout import Workers, fan_out
from stroi.pipeline.progress import progress

sys.path.insert(0, str(Path(__file__).parent))
from recipes import refuse, square


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_keep_the_order_of_the_tasks(
    tmp_path: Path, jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    results = fan_out(
        square, range(9), workers=Workers(jobs), total=9, label="squares", scratch=tmp_path
    )
    assert results == [number * number for number in range(9)]
    assert "squares: 9/9 clips in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_task_arrives_whole(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(ClipRejected) as caught:
        fan_out(refuse, [3], workers=Workers(jobs), total=1, label="x", scratch=tmp_path)
    assert (caught.value.code, caught.value.remedy) == ("CODE", "take another")


def test_dask_needs_a_scheduler(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="add --scheduler tcp://HOST:PORT"):
        fan_out(square, [1], workers=Workers(2, "dask"), total=1, label="x", scratch=tmp_path)


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
