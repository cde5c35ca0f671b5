"""Fan-out: order of results, progress lines, errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.pipeline.fanout import Tick, Workers, fan_out


def square(number: int, tick: Tick) -> int:
    tick()
    return number * number


def refuse(number: int, tick: Tick) -> int:
    raise ClipRejected("CODE", f"number {number}", remedy="take another")


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
