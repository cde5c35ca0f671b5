"""Skeleton shards: clips of any length."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import make_clip, write_skeletons

from stroi.cache.errors import RefusedInput
from stroi.cache.skeletons import (
    Clip,
    SkeletonCache,
    assemble_skeletons,
    decode_skeletons,
)


def equal(one: Clip, other: Clip) -> None:
    assert replace(one, keypoints=other.keypoints) == other
    np.testing.assert_array_equal(one.keypoints, other.keypoints, strict=True)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int
) -> None:
    clips = {f"c{i}": make_clip(n, seed=seed + i) for i, n in enumerate(lengths)}
    folder = write_skeletons(tmp_path_factory.mktemp("clips"), clips)
    read, cache = decode_skeletons(folder / "skeletons-00000.h5"), SkeletonCache(folder)
    assert tuple(read) == cache.ids == tuple(clips)
    for name, clip in clips.items():
        equal(read[name], clip)
        equal(cache[name], clip)
    assert (
        assemble_skeletons(list(read), list(read.values())).data
        == (folder / "skeletons-00000.h5").read_bytes()
    )


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_clips_of_up_to_so_many_people(tmp_path: Path, people: int) -> None:
    keypoints = np.random.default_rng(people).random((3, people, 25, 3)).astype(np.float32)
    clips = {
        name: replace(make_clip(3), keypoints=keypoints, person_count=count)
        for name, count in {"a": 1, "b": people}.items()
    }
    cache = SkeletonCache(write_skeletons(tmp_path, clips))
    assert cache.people == people
    for name, clip in clips.items():
        equal(cache[name], clip)
    with pytest.raises(RefusedInput, match=rf"^RANGE: .* person_count of 'a' .* above {people}"):
        assemble_skeletons(["a"], [replace(clips["a"], person_count=people + 1)])
    other = np.zeros((3, people + 1, 25, 3), np.float32)
    with pytest.raises(RefusedInput, match=r"^H5_LENGTHS: .* keypoints of a sample is"):
        assemble_skeletons(["a", "b"], [clips["a"], replace(clips["b"], keypoints=other)])


def test_types_and_copy(tmp_path: Path) -> None:
    cache = SkeletonCache(write_skeletons(tmp_path, {"a": make_clip(3)}))
    clip = cache["a"]
    assert [type(value) for value in vars(clip).values()] == [np.ndarray, int, int, int, float]
    clip.keypoints[:] = 0
    equal(pickle.loads(pickle.dumps(cache))["a"], make_clip(3))  # noqa: S301
    with pytest.raises(RefusedInput, match=r"ID_UNKNOWN: .* has no sample 'b'"):
        cache["b"]


def digests(*clips: Clip) -> tuple[str, ...]:
    return assemble_skeletons([f"c{number}" for number in range(len(clips))], clips).sample_sha256


def test_digest_of_a_clip_is_its_own() -> None:
    clips = [make_clip(3, seed=1), make_clip(4, seed=2)]
    keypoints = clips[1].keypoints.copy()
    keypoints[3, 1, 24, 2] = 1
    before, after = digests(*clips), digests(clips[0], replace(clips[1], fps=25.0))
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert digests(clips[0], replace(clips[1], keypoints=keypoints))[1] != before[1]


def _holding(value: float) -> Clip:
    clip = make_clip(2)
    clip.keypoints[1, 0, 3, 0] = value
    return clip


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        (_holding(np.nan), "NONFINITE: new skeletons file: keypoints of 'b' holds NaN"),
        (_holding(np.inf), "NONFINITE: new skeletons file: keypoints of 'b' holds NaN"),
        (replace(make_clip(2), person_count=0), "RANGE: new skeletons file: person_count of 'b'"),
        (replace(make_clip(2), person_count=3), "RANGE: new skeletons file: person_count of 'b'"),
        (replace(make_clip(2), width=0), "RANGE: new skeletons file: width of 'b' is below 1"),
        (replace(make_clip(2), fps=-1.0), "RANGE: new skeletons file: fps of 'b' is below 0"),
        (replace(make_clip(2), fps=np.nan), "NONFINITE: new skeletons file: fps of 'b'"),
        (make_clip(0), "SCHEMA: keypoints of clip 1 are float32 (0, 2, 25, 3)"),
        (
            replace(make_clip(2), keypoints=np.zeros((2, 2, 18, 3), np.float32)),
            "SCHEMA: keypoints of clip 1 are float32 (2, 2, 18, 3), want float32 (T, P, 25, 3)",
        ),
        (
            replace(make_clip(2), keypoints=np.zeros((2, 2, 25, 3))),
            "SCHEMA: keypoints of clip 1 are float64",
        ),
    ],
    ids=range(10),
)
def test_what_does_not_fit_is_not_written(clip: Clip, text: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        assemble_skeletons(["a", "b", "c"], [make_clip(4), clip, make_clip(3)])
    assert str(caught.value).startswith(text)


def test_ids_must_fit() -> None:
    with pytest.raises(ValueError, match="1 ids for 2 clips"):
        assemble_skeletons(["a"], [make_clip(1), make_clip(1)])
    with pytest.raises(RefusedInput, match="ID_ORDER"):
        assemble_skeletons(["b", "a"], [make_clip(1), make_clip(1)])
    with pytest.raises(RefusedInput, match="H5_EMPTY"):
        assemble_skeletons([], [])
