"""Borders of groups stay where they are when clips come and go."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.pipeline.shards.sharding import SHARD_BYTES, STRETCH, assign_shards, group_by_video
from stroi.pipeline.shards.task import ClipTask

IDS = st.sets(st.text("abc019_-.", min_size=1, max_size=8), max_size=120).map(sorted)
SIZES = st.integers(1, 9)


@given(ids=IDS, size=SIZES)
def test_every_id_once_in_order_and_no_group_too_large(ids: list[str], size: int) -> None:
    groups = assign_shards(_small(ids), size)
    assert [sample_id for group in groups for sample_id in group] == ids
    assert all(1 <= len(group) <= STRETCH * size for group in groups)


@given(ids=IDS)
def test_size_one_is_a_clip_per_group(ids: list[str]) -> None:
    assert assign_shards(_small(ids), 1) == [(sample_id,) for sample_id in ids]


@given(ids=IDS, size=SIZES, data=st.data())
@settings(max_examples=300)
def test_one_id_changes_only_groups_up_to_the_next_border(
    ids: list[str], size: int, data: st.DataObject
) -> None:
    """Groups before the id's stay; so do those from the next id that starts one by itself on."""
    if not ids:
        return
    gone = data.draw(st.sampled_from(ids))
    left = assign_shards(_small(other for other in ids if other != gone), size)
    whole = assign_shards(_small(ids), size)
    at = next(number for number, group in enumerate(whole) if gone in group)
    # Where it began a group, the rest of that group may join the one before.
    same = max(at - 1 if whole[at][0] == gone else at, 0)
    assert left[:same] == whole[:same]
    border = next((other for other in ids if other > gone and _starts(other, size)), None)
    if border is not None:
        assert _from(left, border) == _from(whole, border)


def _starts(sample_id: str, size: int) -> bool:
    """Whether an id begins a group even behind a group of one."""
    return len(assign_shards(_small(["", sample_id]), size)) == 2


def _from(groups: list[tuple[str, ...]], border: str) -> list[tuple[str, ...]]:
    starts = [group[0] for group in groups]
    return groups[starts.index(border) :]


def _small(ids: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(ids, 0)


SIZED = st.dictionaries(
    st.text("abc019_-.", min_size=1, max_size=8), st.integers(0, 3 * SHARD_BYTES), max_size=60
)


@given(sizes=SIZED, clips=SIZES)
def test_no_group_takes_too_many_bytes(sizes: dict[str, int], clips: int) -> None:
    groups = assign_shards(sizes, clips)
    assert [sample_id for group in groups for sample_id in group] == sorted(sizes)
    for group in groups:
        assert len(group) <= STRETCH * clips
        taken = sum(sizes[sample_id] for sample_id in group)
        assert taken <= STRETCH * SHARD_BYTES or len(group) == 1


def test_large_clips_are_grouped_by_their_bytes() -> None:
    """Clips of 2.35 MB, as 17 native columns take: files of 128 MiB on average, not 512 clips."""
    sizes = {f"clip{number:05d}": 2_350_080 for number in range(5000)}
    groups = assign_shards(sizes, 512)
    taken = [len(group) * 2_350_080 for group in groups]
    assert 0.5 * SHARD_BYTES < np.mean(taken) < 1.1 * SHARD_BYTES
    assert max(taken) <= 2 * SHARD_BYTES
    before = set(groups)
    for new in ("a", "clip02500a", "z"):
        after = set(assign_shards({**sizes, new: 2_350_080}, 512))
        assert len(after - before) <= 3


def test_adding_clips_to_a_real_sized_set_redoes_few_shards() -> None:
    """56,880 ids of NTU's form; a clip at the front, one in the middle, one at the end."""
    ids = [
        f"S{s:03d}C{c:03d}P{p:03d}R{r:03d}A{a:03d}"
        for s in range(1, 18) for c in range(1, 4) for p in range(1, 10)
        for r in (1, 2) for a in range(1, 61)
    ]  # fmt: skip
    before = set(assign_shards(_small(ids), 512))
    for new in ("A000", "S009C002P004R001A0305", "T"):
        after = set(assign_shards(_small([*ids, new]), 512))
        assert len(after - before) <= 3
    sizes = [len(group) for group in before]
    assert 0.7 * 512 < np.mean(sizes) < 1.1 * 512
    assert max(sizes) <= 1024


def _taken(places: dict[str, tuple[str, int]], workers: int) -> list[str]:
    tasks = [ClipTask(name, {}, None, place=place) for name, place in places.items()]
    return ["".join(task.id for task in run) for run in group_by_video(tasks, workers)]


def test_clips_of_a_video_go_to_one_worker_in_their_order() -> None:
    places = {"a": ("v", 90), "b": ("", 0), "c": ("w", 5), "d": ("v", 0), "e": ("", 0)}
    places |= {"f": ("v", 40), "g": ("w", 0)}
    assert _taken(places, 1) == ["dfa", "gc", "b", "e"]
    assert _taken(places, 2) == ["dfa", "gc", "b", "e"]


def test_no_worker_gets_more_of_a_video_than_its_share() -> None:
    places = {name: ("v", number) for number, name in enumerate("abcdefg")}
    assert _taken(places, 2) == ["abcd", "efg"]
    assert _taken(places, 7) == list("abcdefg")
    assert _taken(dict.fromkeys("abc", ("", 0)), 2) == ["a", "b", "c"]
