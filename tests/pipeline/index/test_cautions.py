"""What weakens the results of a split is said: few clips, small classes, people on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stroi.pipeline.index.cautions import share_caution, split_cautions
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import Split


def samples(*rows: str) -> list[Sample]:
    """Samples of rows ``label subject camera count``; ``-`` is unknown."""
    found = []
    for row in rows:
        label, subject, camera, count = row.split()
        who = "" if subject == "-" else subject
        for number in range(int(count)):
            name = f"{label}_{subject}_{camera}_{number:02d}"
            found.append(Sample(name, f"{name}.avi", label, who, camera, sha256=name))
    return found


def cautions(clips: Sequence[Sample], rule: Split) -> list[str]:
    parts = divide(clips, rule, usable=[clip.id for clip in clips])
    return list(split_cautions(clips, parts, rule))


BY_SUBJECT = Split(by="subject", test=("s2",))
BY_CAMERA = Split(by="camera", test=("c2",))
LARGE = ("wave s1 c1 10", "kick s1 c1 10", "wave s2 c1 10", "kick s2 c1 10")


def test_a_large_split_by_subject_needs_no_caution() -> None:
    assert cautions(samples(*LARGE), BY_SUBJECT) == []


@pytest.mark.parametrize(
    ("rows", "rule", "expected"),
    [
        (
            (*LARGE[:2], "wave s2 c1 10", "kick s2 c1 6"),
            BY_SUBJECT,
            ["only 16 test clips: one clip changes the accuracy by 6.2 points"],
        ),
        (
            (*LARGE, "sit s1 c1 4", "run s1 c1 2", "run s2 c1 1"),
            BY_SUBJECT,
            [
                "2 classes ('run', 'sit') with fewer than 5 training clips",
                "1 class ('sit') without a test clip",
            ],
        ),
        (
            ("wave s1 c1 10", "kick s2 c1 10", "wave s1 c2 10", "kick s3 c2 10"),
            BY_CAMERA,
            [
                "1 of 3 subjects are on both sides, such as 's1': the split is by camera, and does"
                " not test on new people"
            ],
        ),
        (
            ("wave - c1 10", "kick - c1 10", "wave - c2 10", "kick - c2 10"),
            BY_CAMERA,
            ["the performers are not known, so the same people may be on both sides"],
        ),
        (
            (*LARGE, "Kick s1 c1 10", "Kick s2 c1 10"),
            BY_SUBJECT,
            ["'Kick' and 'kick' are two classes: they differ in case alone"],
        ),
    ],
)
def test_what_weakens_the_results(rows: tuple[str, ...], rule: Split, expected: list[str]) -> None:
    assert cautions(samples(*rows), rule) == expected


def test_no_more_than_five_classes_are_named() -> None:
    rows = [f"c{number} s1 c1 5" for number in range(8)]
    clips = samples(*LARGE, *rows)
    (said,) = cautions(clips, BY_SUBJECT)
    assert said == "8 classes ('c0', 'c1', 'c2', 'c3', 'c4' and 3 more) without a test clip"


@pytest.mark.parametrize(
    ("lost", "clips", "value"), [(1, 8, "0.13"), (3, 8, "0.38"), (1, 3, "0.34")]
)
def test_the_param_and_its_value_are_named(lost: int, clips: int, value: str) -> None:
    given = {"stage": "skeletons", "dataset": "mine", "mend": "mend them"}
    said = share_caution(lost, clips, 0.05, **given)
    assert said.startswith(f"{lost} of {clips} clips (")
    assert said.endswith(
        f": mend them, or set skeletons.max_quarantined to {value} in profiles/mine.yaml"
    )
    assert share_caution(lost, clips, float(value), **given) == ""


def test_a_share_within_the_limit_is_no_caution() -> None:
    assert share_caution(1, 20, 0.05, stage="index", dataset="mine", mend="mend them") == ""
