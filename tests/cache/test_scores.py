"""Score files, and the join of several models' scores by id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import make_scores

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.cache.scores import Scores, join, match_classes, read_scores, write_scores
from stroi.cache.verify import verify

IDS = tuple("abcdefg")


def write(folder: Path, name: str, scores: Scores, **params: object) -> None:
    write_scores(folder, name, scores, params=params, producer={"model": "x"})


def equal(one: Scores, other: Scores) -> None:
    assert (one.ids, one.classes) == (other.ids, other.classes)
    np.testing.assert_array_equal(one.logits, other.logits, strict=True)


def test_two_splits_share_a_folder(tmp_path: Path) -> None:
    test, validation = make_scores(("a", "b")), make_scores(("c",), seed=1)
    write(tmp_path, "test", test)
    write(tmp_path, "validation", validation)
    equal(read_scores(tmp_path, "test"), test)
    equal(read_scores(tmp_path, "validation"), validation)
    assert verify(tmp_path, "scores") == []


def test_a_rerun_replaces_its_file(tmp_path: Path) -> None:
    write(tmp_path, "test", make_scores(("a", "b")))
    again = make_scores(("a", "b"), seed=5)
    write(tmp_path, "test", again)
    equal(read_scores(tmp_path, "test"), again)


def test_files_of_other_params_or_producers_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, "validation", make_scores(("c",)), epochs=1)
    write(tmp_path, "test", make_scores(("a", "b")), epochs=2)
    assert [entry.name for entry in read_manifest(tmp_path).files] == ["test.h5"]
    (problem,) = verify(tmp_path)
    assert problem.startswith(f"FILE_EXTRA: {tmp_path}: 'validation.h5' is not in the manifest")
    write(tmp_path, "validation", make_scores(("c",)), epochs=2)
    assert verify(tmp_path) == []
    write_scores(
        tmp_path, "test", make_scores(("a",)), params={"epochs": 2}, producer={"model": "y"}
    )
    (problem,) = verify(tmp_path)
    assert problem.startswith(f"FILE_EXTRA: {tmp_path}: 'validation.h5' is not in the manifest")


def test_unknown_name_lists_the_known(tmp_path: Path) -> None:
    write(tmp_path, "test", make_scores(("a",)))
    with pytest.raises(RefusedInput, match=r"SCORES_NAME: .* named 'val'; it has test.h5"):
        read_scores(tmp_path, "val")


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"'\.\./x\.h5' is not the name of a file"):
        write(tmp_path / "in", "../x", make_scores(("a",)))
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_must_be_finite(tmp_path: Path, value: float) -> None:
    made = make_scores(("a", "b"))
    made.logits[1, 2] = value
    with pytest.raises(RefusedInput) as caught:
        write(tmp_path, "test", made)
    assert str(caught.value) == (
        "NONFINITE: new scores file: logits of 'b' holds NaN or infinity; the network's training "
        "diverged: lower its learning rate or add warm-up epochs, and train again"
    )


@pytest.mark.parametrize("name", ["", "x" * 257, "é" * 129, "a\n", "wave", "a\x00"])
def test_bad_class_name_is_refused(tmp_path: Path, name: str) -> None:
    made = replace(make_scores(("a",)), classes=("wave", name, "c"))
    with pytest.raises(RefusedInput, match="CLASS_NAME: new scores file: the class name "):
        write(tmp_path, "test", made)


def test_long_class_name_is_kept_whole(tmp_path: Path) -> None:
    made = replace(make_scores(("a",)), classes=("é" * 128, "b", "c"))
    write(tmp_path, "test", made)
    equal(read_scores(tmp_path, "test"), made)


def shuffled(scores: Scores, seed: int) -> Scores:
    order = np.random.default_rng(seed).permutation(len(scores.ids))
    ids = tuple(scores.ids[i] for i in order)
    return replace(scores, ids=ids, logits=scores.logits[order])


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4))
def test_order_does_not_count(seeds: list[int]) -> None:
    streams = [make_scores(IDS, seed=seed) for seed in seeds]
    mixed = [shuffled(stream, seed) for stream, seed in zip(streams, seeds, strict=True)]
    ids, logits = join(mixed)
    assert ids == IDS
    for found, stream in zip(logits, streams, strict=True):
        np.testing.assert_array_equal(found, stream.logits, strict=True)


def test_classes_are_matched_by_name_in_any_order() -> None:
    one, other = make_scores(IDS, seed=1), make_scores(IDS, seed=2)
    order = [2, 0, 1]
    mixed = replace(
        other,
        classes=tuple(other.classes[at] for at in order),
        logits=other.logits[:, order],
    )
    _, logits = join([one, mixed])
    np.testing.assert_array_equal(logits[1], other.logits, strict=True)
    equal(match_classes(mixed, other.classes), other)
    with pytest.raises(RefusedInput, match="1 classes of the scores are not in the index, first"):
        match_classes(one, one.classes[:2])


def without(scores: Scores, *names: str) -> Scores:
    keep = [i for i, name in enumerate(scores.ids) if name not in names]
    return replace(scores, ids=tuple(scores.ids[i] for i in keep), logits=scores.logits[keep])


@pytest.mark.parametrize(
    ("streams", "text"),
    [
        (
            [make_scores(IDS), without(make_scores(IDS), "c", "e")],
            "ENSEMBLE_IDS: stream 1: 2 ids are missing, the first is 'c'; score the same split",
        ),
        (
            [without(make_scores(IDS), "c", "e", "a"), make_scores(IDS)],
            "ENSEMBLE_IDS: stream 1: 3 ids are extra, the first is 'a'",
        ),
        (
            [make_scores(IDS), make_scores((*IDS, "b"))],
            "ENSEMBLE_IDS: stream 1: 1 ids occur twice, the first is 'b'",
        ),
        (
            [make_scores(("a", "a"))],
            "ENSEMBLE_IDS: stream 0: 1 ids occur twice, the first is 'a'",
        ),
        (
            [replace(make_scores(IDS), ids=("a", "b"))],
            "ENSEMBLE_IDS: stream 0 has 2 ids and 7 rows of logits",
        ),
        (
            [make_scores(IDS), replace(make_scores(IDS), classes=("drink water", "wave", "give"))],
            r"ENSEMBLE_CLASSES: 1 classes of stream 0 are not in stream 1, first 'h\xe9llo'; name",
        ),
        ([], "ENSEMBLE_EMPTY: there are no scores to join"),
    ],
    ids=["missing", "extra", "double", "double in the first", "rows", "classes", "none"],
)
def test_other_sets_of_samples_are_refused(streams: list[Scores], text: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        join(streams)
    assert str(caught.value).startswith(text)
