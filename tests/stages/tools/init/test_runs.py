"""Every fold as a run: each clip tested once, and no fold missing."""

from __future__ import annotations

import pytest

from stroi.cache.errors import ParamsError
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import Split
from stroi.stages.tools.init.runs import every_fold

FOLDS = {f"fold{number}": Split(by="subject", fold=(number, 2)) for number in (1, 2)}


def _clips(*rows: str) -> list[Sample]:
    """Clips of rows ``label subject``."""
    found = []
    for number, row in enumerate(rows):
        label, subject = row.split()
        name = f"c{number}"
        found.append(Sample(name, f"{name}.avi", label, subject, sha256=f"{number:064x}"))
    return found


CLIPS = _clips("wave s1", "sit s1", "wave s2", "sit s2", "wave s3", "sit s3")


def test_folds_test_every_clip_once() -> None:
    folds = every_fold(CLIPS, FOLDS)
    assert list(folds) == ["fold1", "fold2"]
    assert sorted(clip for fold in folds.values() for clip in fold.test) == [
        clip.id for clip in CLIPS
    ]


def test_splits_for_other_clips_are_left_out() -> None:
    """A profile may list splits for a larger data set; no clip has their values."""
    named = {who: Split(by="subject", test=(who,)) for who in ("s1", "s2", "s3", "s9")}
    assert list(every_fold(CLIPS, named)) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("clips", "rules", "expected"),
    [
        # Both people who wave are in fold 1.
        (
            _clips("wave s1", "wave s4", "sit s3", "sit s1", "run s3", "run s1", "sit s2"),
            FOLDS,
            r"fold1 cannot be used: SPLIT_CLASS: ",
        ),
        (
            CLIPS,
            {**FOLDS, "more": Split(by="subject", test=("s1",))},
            r"fold\d and more both test 'c0'",
        ),
        (CLIPS, {"own": Split(by="subject", test=("s1",))}, "the clips have 1 split, no folds"),
    ],
)
def test_what_is_no_set_of_folds_is_refused(
    clips: list[Sample], rules: dict[str, Split], expected: str
) -> None:
    with pytest.raises(ParamsError, match=f"INIT_FOLDS: --all: {expected}") as caught:
        every_fold(clips, rules)
    assert "leave --all out" in str(caught.value)
