"""The splits of a new data set keep people on one side, or say that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import pytest

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import ClipEntry, Sample
from stroi.pipeline.params.profile import Split
from stroi.stages.tools.init.splits import choose_splits

COLUMNS = ("subject", "camera", "group", "split")


def clips(rows: Iterable[str], repeats: int = 1) -> list[ClipEntry]:
    """Clips of rows ``label subject camera group split``; ``-`` is unknown."""
    found = []
    for number, row in enumerate(rows):
        label, *rest = row.split()
        fields = {
            key: "" if value == "-" else value for key, value in zip(COLUMNS, rest, strict=False)
        }
        for again in range(repeats):
            name = f"c{number:03d}_{again}"
            found.append(ClipEntry(name, f"{name}.avi", label, **fields))  # type: ignore[arg-type]
    return found


def people(count: int) -> list[str]:
    return [f"{label} s{number}" for label in ("wave", "sit") for number in range(count)]


def sides(listed: list[ClipEntry], rule: Split) -> tuple[set[str], set[str]]:
    parts = divide(
        [Sample(**asdict(one)) for one in listed], rule, usable=[one.id for one in listed]
    )
    return set(parts.train), set(parts.test)


@pytest.mark.parametrize(
    ("count", "folds", "expected"), [(2, None, 2), (5, None, 5), (12, None, 5), (12, 12, 12)]
)
def test_subjects_are_folded(count: int, folds: int | None, expected: int) -> None:
    listed = clips(people(count))
    splits = choose_splits(listed, folds=folds)
    assert list(splits.rules) == [f"fold{number}" for number in range(1, expected + 1)]
    who = {one.id: one.subject for one in listed}
    tested: set[str] = set()
    for rule in splits.rules.values():
        train, test = sides(listed, rule)
        assert {who[name] for name in train}.isdisjoint(who[name] for name in test)
        tested |= test
    assert tested == set(who)


def test_groups_where_subjects_are_not_known() -> None:
    splits = choose_splits(clips(["wave - - a", "sit - - a", "wave - - b", "sit - - b"]))
    assert {rule.by for rule in splits.rules.values()} == {"group"}
    assert splits.summary == "fold1: fold 1 of 2 by group, 2 training and 2 test clips"


def test_single_clips_where_nothing_is_known() -> None:
    listed = clips(["wave", "sit"], repeats=10)
    splits = choose_splits(listed)
    assert {rule.by for rule in splits.rules.values()} == {"id"}
    assert splits.summary == (
        "fold1: fold 1 of 5 by id, 16 training and 4 test clips; the performers are not known, "
        "so the same people may be on both sides"
    )
    assert choose_splits(listed[::-1]) == splits


def test_one_unknown_subject_is_no_subject_column() -> None:
    listed = clips([*people(3), "wave -"], repeats=3)
    assert choose_splits(listed).rules["fold1"].by == "id"


@pytest.mark.parametrize("validation", [False, True])
def test_the_data_set_s_own_split(validation: bool) -> None:
    rows = [f"{label} s1 c1 - {side}" for label in ("wave", "sit") for side in ("train", "test")]
    rows += ["wave s1 c1 - val"] * validation
    splits = choose_splits(clips(rows))
    assert splits.run == "own"
    rule = splits.rules["own"]
    assert rule.by == "split"
    assert (rule.validation is not None) == validation
    counts = ", 1 validation" if validation else ""
    assert splits.summary == f"own: its own split, 2 training{counts} and 2 test clips"


def test_val_is_tested_where_there_is_no_test() -> None:
    rows = [f"{label} s1 c1 - {side}" for label in ("wave", "sit") for side in ("train", "val")]
    splits = choose_splits(clips(rows, repeats=12))
    assert splits.rules == {"own": Split(by="split", train=("train",), test=("val",))}
    assert splits.cautions[0] == "there is no test part: the clips of val are tested"


def test_folds_that_are_asked_for_come_before_the_data_set_s_own_split() -> None:
    rows = [f"{label} - - - {side}" for label in ("wave", "sit") for side in ("train", "test")]
    splits = choose_splits(clips(rows, repeats=3), folds=3)
    assert [rule.fold for rule in splits.rules.values()] == [(1, 3), (2, 3), (3, 3)]


def test_the_column_split_gives_the_data_set_s_own_split_and_no_folds_of_it() -> None:
    rows = [f"{label} s1 c1 - {side}" for label in ("wave", "sit") for side in ("train", "test")]
    listed = clips(rows, repeats=12)
    splits = choose_splits(listed, "split")
    assert splits.rules == {"own": Split(by="split", train=("train",), test=("test",))}
    assert splits.summary == "own: its own split, 24 training and 24 test clips"
    with pytest.raises(ParamsError) as caught:
        choose_splits(listed, "split", folds=2)
    assert str(caught.value) == (
        "INIT_OPTIONS: --folds divides, and the data set's own split already has its train and"
        " test part; leave --folds out, or take another column for --split"
    )
    sets = [f"{label} s1 c1 - set{number}" for label in ("wave", "sit") for number in (1, 2, 3)]
    assert choose_splits(clips(sets), "split").rules["fold3"] == Split(by="split", fold=(3, 3))


def test_folds_that_cannot_be_used_are_named() -> None:
    # Both people who wave are in fold 1.
    rows = ["wave s1", "wave s4", "sit s3", "sit s1", "run s3", "run s1", "sit s2"]
    splits = choose_splits(clips(rows), folds=2)
    assert splits.run == "fold2"
    assert splits.cautions[-1].startswith("fold1 cannot be used: SPLIT_CLASS: ")


def test_a_column_of_the_user_s_choice() -> None:
    listed = clips(["wave s1 left", "sit s1 left", "wave s2 right", "sit s2 right"])
    assert choose_splits(listed, "camera").rules["fold2"] == Split(by="camera", fold=(2, 2))


def test_the_run_is_the_first_fold_that_can_be_used() -> None:
    # Both people who wave are in fold 1 of 2: nobody would be trained with waving.
    listed = clips(["wave s1", "wave s2", "sit s3", "sit s4", "sit s1", "run s3", "run s1"])
    splits = choose_splits(listed, folds=4)
    train, _ = sides(listed, splits.rules[splits.run])
    assert {one.label for one in listed if one.id in train} == {"wave", "sit", "run"}


@pytest.mark.parametrize(
    ("rows", "by", "code", "message", "remedy"),
    [
        (["wave s1", "wave s2"], "auto", "INIT_CLASSES", "only one class, 'wave'", "table"),
        (
            ["wave s1", "wave s1", "sit s1", "sit s2"],
            "auto",
            "INIT_CLASS",
            "there is one subject, 's1', in class 'wave': it cannot be trained and tested",
            "or use --split id, clip by clip",
        ),
        (
            ["wave", "sit", "sit"],
            "auto",
            "INIT_CLASS",
            "there is one clip in class 'wave'",
            "add clips to the class, or leave it out",
        ),
    ],
)
def test_classes_that_cannot_be_judged(
    rows: list[str], by: str, code: str, message: str, remedy: str
) -> None:
    with pytest.raises(RefusedInput) as caught:
        choose_splits(clips(rows), by)
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        ("subjekt", "INIT_SPLIT: no split by 'subjekt'; use auto, subject, camera, group"),
        (
            "camera",
            "INIT_SPLIT: a split by camera needs the camera of every clip, and at",
        ),
    ],
)
def test_columns_that_cannot_divide(by: str, problem: str) -> None:
    with pytest.raises(ParamsError, match=problem):
        choose_splits(clips(people(2)), by)


def test_more_folds_than_people() -> None:
    with pytest.raises(ParamsError, match=r"SPLIT_FOLD: 7 folds by subject.*make it 3 folds"):
        choose_splits(clips(people(3)), folds=7)
