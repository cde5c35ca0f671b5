"""Splits: by rule, without leaks."""

from __future__ import annotations

import pytest

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.pipeline.index import Sample
from stroi.pipeline.profile import Split
from stroi.pipeline.splits import divide


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
