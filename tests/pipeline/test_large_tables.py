"""Tables of data sets larger than any of today: what is written is read, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.ledger import read_rows
from stroi.pipeline.index.ledger import MAX_DETAIL, ClipOutcome, read_ledger, write_ledger
from stroi.pipeline.index.table import Sample, read_index, write_index

MANY = 150_001
"""More rows than the reader took when it was limited to 150,000."""


def samples(count: int) -> Iterator[Sample]:
    """Clips as those of NTU RGB+D 120."""
    for number in range(count):
        yield Sample(
            id=f"S{number:07d}C001P001R001A001",
            video=f"nturgb+d_rgb/S{number:07d}C001P001R001A001_rgb.avi",
            label=f"A{number % 120:03d} an action",
            subject=f"P{number % 106:03d}",
            camera=f"C{number % 3:03d}",
            group=f"S{number % 32:03d}",
            skeleton=f"nturgb+d_skeletons/S{number:07d}C001P001R001A001.skeleton",
            bytes=1_000_000 + number,
            sha256=f"{number:064x}",
            skeleton_sha256=f"{number + 1:064x}",
        )


@pytest.mark.nightly
def test_an_index_of_many_rows_is_written_and_read(tmp_path: Path) -> None:
    made = list(samples(MANY))
    write_index(tmp_path, reversed(made))
    index = read_index(tmp_path)
    assert len(index.samples) == MANY
    assert index.samples[:: MANY // 7] == tuple(made[:: MANY // 7])
    assert len(index.classes) == 120


@pytest.mark.nightly
def test_a_ledger_of_many_rows_is_written_and_read(tmp_path: Path) -> None:
    outcomes = [ClipOutcome(f"c{number:07d}", detail="1 person") for number in range(MANY)]
    outcomes[7] = replace(outcomes[7], code="VIDEO_OPEN")
    assert read_ledger(write_ledger(tmp_path, outcomes) and tmp_path).outcomes == tuple(outcomes)
    rows = read_rows(tmp_path)
    assert len(rows) == MANY
    assert rows[7] == ("c0000007", "quarantined", "VIDEO_OPEN", "1 person")


def test_memory_of_a_row_is_bounded(tmp_path: Path) -> None:
    """Of an index, less than four times the bytes of the file; of a ledger of short rows, ten."""
    count = 5_000
    tracemalloc.start()
    try:
        write_index(tmp_path, (list(samples(count))))
        size = (tmp_path / "samples.csv").stat().st_size
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        index = read_index(tmp_path)
        peak = tracemalloc.get_traced_memory()[1] - before
        assert len(index.samples) == count
        assert peak < 4 * size
        del index
        outcomes = [ClipOutcome(f"c{n:07d}", detail=f"{n} of 9 cells") for n in range(count)]
        write_ledger(tmp_path, outcomes)
        size = (tmp_path / "ledger.csv").stat().st_size
        for read in (read_ledger, read_rows):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            read(tmp_path)
            assert tracemalloc.get_traced_memory()[1] - before < 10 * size
    finally:
        tracemalloc.stop()


GOOD = next(samples(1))
UNREADABLE = {
    "label": ({"label": "two\nlines"}, r"CSV_VALUE.*samples.csv:2: label .* is no plain text"),
    "long label": ({"label": "x" * 201}, "CSV_VALUE.*label"),
    "wide label": ({"label": "\u4e16" * 100}, r"CSV_VALUE.*classes.txt:1: class .* 256 bytes"),
    "no label": ({"label": ""}, "CSV_VALUE.*label is empty"),
    "video": ({"video": "../x.avi"}, "VIDEO_OUTSIDE"),
    "digest": ({"sha256": "12"}, "CSV_VALUE.*sha256 '12' is no digest"),
    "nothing": ({"video": "", "sha256": "", "skeleton": ""}, "CSV_VALUE.*neither a video nor"),
    "part": ({"start": 9, "stop": 9}, "CSV_VALUE.*no frame from 9 to 9"),
    "number": ({"bytes": 10**18}, "CSV_VALUE.*bytes 1000000000000000000 is out of range"),
    "negative": ({"start": -1}, "CSV_VALUE.*start -1 is out of range"),
    "id": ({"id": "../x"}, "ID_BAD.*samples.csv:2"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_index_that_would_not_be_read_is_not_written(tmp_path: Path, case: str) -> None:
    changes, expected = UNREADABLE[case]
    with pytest.raises(RefusedInput, match=expected):
        write_index(tmp_path, [replace(GOOD, **changes)])
    assert list(tmp_path.iterdir()) == []


def test_two_clips_of_one_id_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="ID_DUPLICATE"):
        write_index(tmp_path, [GOOD, replace(GOOD, id=GOOD.id.lower())])


def test_a_ledger_says_nothing_that_its_readers_refuse(tmp_path: Path) -> None:
    """A library's message may hold anything; the run is not lost for it."""
    text = "cannot open\0 \x1b[2J\u202e \n" + "x" * 10_000
    write_ledger(tmp_path, [ClipOutcome("a", "VIDEO_OPEN", text)])
    [outcome] = read_ledger(tmp_path).outcomes
    assert outcome.detail.startswith(r"cannot open\x00 \x1b[2J\u202e \n")
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 2 * MAX_DETAIL
