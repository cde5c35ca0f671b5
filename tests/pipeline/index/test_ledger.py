"""The ledger: counts that add up, nothing in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput, StroiError
from stroi.pipeline.index.ledger import ClipOutcome, Ledger, check_share, read_ledger, write_ledger

OUTCOMES = (
    ClipOutcome("b", "VIDEO_OPEN", 'b.avi: cannot be opened, it says "no"'),
    ClipOutcome("a", detail="2 of 25 cells missing"),
    ClipOutcome("c"),
)


def test_round_trip_is_sorted_whatever_the_order(tmp_path: Path) -> None:
    written = write_ledger(tmp_path, OUTCOMES)
    first = (tmp_path / "ledger.csv").read_bytes()
    assert read_ledger(tmp_path) == written
    write_ledger(tmp_path, reversed(OUTCOMES))
    assert (tmp_path / "ledger.csv").read_bytes() == first
    assert written.done == ("a", "c")


@given(st.lists(st.booleans()))
def test_in_is_done_plus_quarantined(good: list[bool]) -> None:
    ledger = Ledger(tuple(ClipOutcome(str(n), "" if ok else "CODE") for n, ok in enumerate(good)))
    assert len(ledger.outcomes) == len(ledger.done) + len(ledger.quarantined)
    assert ledger.summary() == (
        f"{len(good)} clips = {sum(good)} done + {len(good) - sum(good)} quarantined"
    )


def test_status_that_contradicts_the_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.csv").write_text("id,status,code,detail\na,done,VIDEO_OPEN,x\n")
    with pytest.raises(RefusedInput, match=r"ledger\.csv:2: status contradicts code"):
        read_ledger(tmp_path)


def test_share_is_checked_against_the_limit(tmp_path: Path) -> None:
    ledger = Ledger(OUTCOMES)
    check_share(ledger, 0.34, tmp_path)
    with pytest.raises(StroiError, match=r"1 of 3 clips were quarantined, first b \(VIDEO_OPEN\)"):
        check_share(ledger, 0.3, tmp_path)


@pytest.mark.parametrize(
    ("lost", "clips", "value"),
    [(1, 8, "0.13"), (1, 3, "0.34"), (2, 7, "0.29"), (7, 100, "0.07"), (29, 100, "0.29")],
)
def test_the_remedy_names_the_param_and_a_value_that_works(
    tmp_path: Path, lost: int, clips: int, value: str
) -> None:
    bad = [ClipOutcome(f"b{number}", "VIDEO_FRAMES", "damaged") for number in range(lost)]
    good = [ClipOutcome(f"g{number}") for number in range(clips - lost)]
    ledger, out = Ledger((*bad, *good)), tmp_path / "data" / "mine" / "skeletons"
    with pytest.raises(StroiError) as caught:
        check_share(ledger, 0.05, out)
    assert caught.value.message.endswith("clips were quarantined, first b0 (VIDEO_FRAMES): damaged")
    assert caught.value.remedy == (
        f"read {out}/ledger.csv; mend the clips or raise max_quarantined: set"
        f" skeletons.max_quarantined to {value} in profiles/mine.yaml; `ffmpeg -i FILE -c:v libx264"
        " -pix_fmt yuv420p NEW.mp4` makes a video readable"
    )
    check_share(ledger, float(value), out)


def test_no_limit_is_named_where_none_would_help(tmp_path: Path) -> None:
    with pytest.raises(StroiError) as caught:
        check_share(Ledger((ClipOutcome("a", "NO_PERSON", "nobody"),)), 0.05, tmp_path)
    assert caught.value.remedy == f"read {tmp_path}/ledger.csv; mend the clips"


def test_nothing_left_fails_under_any_limit(tmp_path: Path) -> None:
    with pytest.raises(StroiError, match="1 of 1 clips were quarantined"):
        check_share(Ledger((ClipOutcome("a", "NO_PERSON", "nobody"),)), 1.0, tmp_path)
