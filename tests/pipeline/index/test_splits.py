"""Splits: by rule, without leaks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index.splits import divide, folds_of
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import Split, Validation


def _sample(name: str, subject: str, sha256: str = "") -> Sample:
    return Sample(name, f"{name}.avi", "wave", subject, "c1", bytes=1, sha256=sha256 or name)


SAMPLES = [_sample("a1", "1"), _sample("b1", "2"), _sample("c1", "3"), _sample("a2", "1")]
ALL = [sample.id for sample in SAMPLES]


@pytest.mark.parametrize(
    ("split", "train", "test"),
    [
        (Split(by="subject", test=("3",)), ("a1", "a2", "b1"), ("c1",)),
        (Split(by="subject", train=("3",)), ("c1",), ("a1", "a2", "b1")),
        (Split(by="subject", train=("2",), test=("1",)), ("b1",), ("a1", "a2")),
    ],
)
def test_values_go_to_their_side(
    split: Split, train: tuple[str, ...], test: tuple[str, ...]
) -> None:
    parts = divide(SAMPLES, split, usable=ALL)
    assert (parts.train, parts.test) == (train, test)
    assert divide(reversed(SAMPLES), split, usable=ALL) == parts


def test_quarantined_clips_are_left_out() -> None:
    parts = divide(SAMPLES, Split(by="subject", test=("3",)), usable=["a1", "c1"])
    assert parts.train == ("a1",)


def test_unknown_value_names_those_there_are() -> None:
    with pytest.raises(ParamsError, match="no clip has subject '9'; the index has: 1, 2, 3"):
        divide(SAMPLES, Split(by="subject", test=("9",)), usable=ALL)


def test_empty_part_is_refused() -> None:
    with pytest.raises(ParamsError, match="leaves 3 training and 0 test clips"):
        divide(SAMPLES, Split(by="subject", test=("3",)), usable=["a1", "a2", "b1"])


def test_one_video_on_both_sides_is_refused() -> None:
    samples = [*SAMPLES, _sample("z9", "3", sha256="a1")]
    with pytest.raises(RefusedInput, match=r"a1 \(training\) and z9 \(test\) are the same video"):
        divide(samples, Split(by="subject", test=("3",)), usable=ALL)


def test_a_fold_tests_on_some_values() -> None:
    split = Split(by="subject", fold=(3, 3))
    parts = divide(SAMPLES, split, usable=ALL)
    assert (parts.train, parts.test) == (("a1", "a2", "b1"), ("c1",))
    assert divide(reversed(SAMPLES), split, usable=ALL) == parts


@pytest.mark.parametrize("by", ["subject", "id"])
def test_every_clip_is_tested_in_one_fold(by: str) -> None:
    tested = [
        name
        for fold in (1, 2, 3)
        for name in divide(SAMPLES, Split(by=by, fold=(fold, 3)), usable=ALL).test
    ]
    assert sorted(tested) == sorted(ALL)


def test_more_folds_than_values_are_refused() -> None:
    with pytest.raises(ParamsError) as caught:
        divide(SAMPLES, Split(by="subject", fold=(1, 4)), usable=ALL)
    assert str(caught.value) == (
        "SPLIT_FOLD: 4 folds by subject, but only 3 values to divide; make it 3 folds or fewer"
    )


@pytest.mark.parametrize(
    ("validation", "held"),
    [
        (Validation(by="subject", values=("2",)), ("b1",)),
        (Validation(by="subject", fold=(1, 2)), ("a1", "a2")),
        (Validation(by="id", values=("a2",)), ("a2",)),
    ],
)
def test_validation_is_taken_from_the_training_side(
    validation: Validation, held: tuple[str, ...]
) -> None:
    split = Split(by="subject", test=("3",), validation=validation)
    parts = divide(SAMPLES, split, usable=ALL)
    assert parts.validation == held
    assert parts.test == ("c1",)
    assert sorted((*parts.train, *held)) == ["a1", "a2", "b1"]


def test_a_test_subject_cannot_validate() -> None:
    split = Split(by="subject", test=("3",), validation=Validation(by="subject", values=("3",)))
    with pytest.raises(ParamsError) as caught:
        divide(SAMPLES, split, usable=ALL)
    assert str(caught.value) == (
        "SPLIT_VALUE: no training clip has subject '3'; the training side has: 1, 2"
    )


def test_a_validation_part_must_not_be_empty() -> None:
    split = Split(by="subject", test=("3",), validation=Validation(by="subject", values=("2",)))
    with pytest.raises(ParamsError, match="leaves 2 training, 0 validation and 1 test clips"):
        divide(SAMPLES, split, usable=["a1", "a2", "c1"])


def test_clips_of_unknown_subject_take_no_side() -> None:
    samples = [*SAMPLES, _sample("x1", "")]
    with pytest.raises(ParamsError) as caught:
        divide(samples, Split(by="subject", test=("3",)), usable=ALL)
    assert str(caught.value) == (
        "SPLIT_UNKNOWN: the subject of 1 clips is not known, first x1; "
        "fill in the table's subject column, or divide by another one"
    )
    both_named = Split(by="subject", train=("1",), test=("3",))
    assert divide(samples, both_named, usable=[*ALL, "x1"]).train == ("a1", "a2")


def test_the_side_of_a_clip_depends_on_no_other_clips_fate_and_on_no_label() -> None:
    split = Split(by="id", fold=(1, 2), validation=Validation(by="id", fold=(1, 2)))
    whole = divide(SAMPLES, split, usable=ALL)
    relabelled = [replace(sample, label=sample.id) for sample in SAMPLES]
    assert divide(relabelled, split, usable=ALL) == whole
    assert len(whole.digest) == 64
    for side in ("train", "validation", "test"):
        for name in getattr(whole, side):
            others = [one for one in ALL if getattr(whole, side) != (one,) and one != name]
            few = (name, *(one for one in others if one not in getattr(whole, side)))
            parts = divide(SAMPLES, split, usable=few)
            assert name in getattr(parts, side)
            assert parts.digest == whole.digest


def test_another_rule_is_another_division() -> None:
    digests = {
        divide(SAMPLES, Split(by="subject", test=(value,)), usable=ALL).digest for value in "123"
    }
    assert len(digests) == 3


def test_clips_that_are_left_out_move_no_other() -> None:
    held = Validation(by="id", fold=(1, 3))
    whole = divide(SAMPLES, Split(by="subject", test=("3",), validation=held), usable=ALL)
    for name in whole.train:
        split = Split(by="subject", test=("3",), validation=held, leave_out=(name,))
        parts = divide(SAMPLES, split, usable=ALL)
        assert parts.train == tuple(one for one in whole.train if one != name)
        assert (parts.validation, parts.test) == (whole.validation, whole.test)
        assert parts.digest != whole.digest


@pytest.mark.parametrize(
    ("name", "what"),
    [("c1", "a test clip"), ("b1", "a validation clip"), ("a3", "on no side of the split")],
)
def test_only_training_clips_can_be_left_out(name: str, what: str) -> None:
    held = Validation(by="subject", values=("2",))
    split = Split(by="subject", test=("3",), validation=held, leave_out=("a1", name))
    with pytest.raises(ParamsError) as caught:
        divide(SAMPLES, split, usable=ALL)
    assert str(caught.value) == (
        f"SPLIT_LEAVE_OUT: '{name}' cannot be left out: it is {what}; "
        "name training clips alone in leave_out"
    )


def test_too_many_left_out_are_refused() -> None:
    split = Split(by="subject", train=("1",), test=("3",), leave_out=("a1", "a2"))
    with pytest.raises(ParamsError, match="leaves 0 training and 1 test clips"):
        divide(SAMPLES, split, usable=ALL)


SIZES = st.dictionaries(st.text(max_size=6), st.integers(1, 50), min_size=2, max_size=12)


def _loads(sizes: dict[str, int], folds: dict[str, int], count: int) -> list[int]:
    return [
        sum(sizes[value] for value in sizes if folds[value] == fold) for fold in range(1, count + 1)
    ]


def test_as_many_folds_as_values_leave_one_out_in_natural_order() -> None:
    sizes = {"s10": 9, "s2": 1, "s1": 4, "s02": 2}
    assert folds_of(sizes, 4) == {"s1": 1, "s02": 2, "s2": 3, "s10": 4}


def test_large_values_come_first() -> None:
    # By hand: 7 opens one fold, 5 the other, 4 joins the 5, 3 the 7, 1 and 1 one each.
    sizes = {"a": 1, "b": 7, "c": 5, "d": 4, "e": 3, "f": 1}
    assert folds_of(sizes, 2) == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 2, "f": 2}


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SIZES, st.data(), st.booleans())
def test_folds_divide_and_depend_on_names_and_sizes_alone(
    sizes: dict[str, int], data: st.DataObject, shuffled: bool
) -> None:
    count = data.draw(st.integers(2, len(sizes)))
    folds = folds_of(sizes, count, shuffled=shuffled)
    assert set(folds.values()) == set(range(1, count + 1))
    turned = {value: sizes[value] for value in data.draw(st.permutations(list(sizes)))}
    assert folds_of(turned, count, shuffled=shuffled) == folds
    loads = _loads(sizes, folds, count)
    assert max(loads) - min(loads) <= max(sizes.values())
    # Two of the count + 1 largest values share a fold whatever one does.
    largest = [*sorted(sizes.values(), reverse=True), 0]
    best_possible = max(sum(sizes.values()) / count, largest[0], 2 * largest[count])
    assert max(loads) <= 4 / 3 * best_possible


@pytest.mark.parametrize("count", [2, 3, 7])
def test_ids_are_shuffled_by_their_digest(count: int) -> None:
    ids = {f"clip{number:03d}": 1 for number in range(50)}
    folds = folds_of(ids, count, shuffled=True)
    loads = _loads(ids, folds, count)
    assert max(loads) - min(loads) <= 1
    neighbours = sum(
        folds[f"clip{at:03d}"] % count + 1 == folds[f"clip{at + 1:03d}"] for at in range(49)
    )
    assert neighbours < 40
