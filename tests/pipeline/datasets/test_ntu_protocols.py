"""The shipped profiles of NTU RGB+D: the published protocols, to the sample."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from stroi.pipeline.datasets.ntu import Found, list_ntu
from stroi.pipeline.datasets.ntu_lists import (
    NTU_60,
    NTU_120,
    Name,
    NtuSet,
    Protocol,
    class_names,
    good_names,
)
from stroi.pipeline.index.splits import divide
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import Profile

ROOT = Path(__file__).parents[3]
LISTS = ROOT.parent / "shared" / "data" / "ntu_lists"
SETS = {"ntu60": NTU_60, "ntu120": NTU_120}
PROTOCOLS = [(name, one) for name, ntu in SETS.items() for one in ntu.protocols]


@cache
def samples(name: str) -> tuple[Sample, ...]:
    """Rows of the index of a whole set, of which no file needs to be there."""
    with pytest.MonkeyPatch.context() as patch:
        files = {one: f"{one}.skeleton" for one in good_names(SETS[name])}
        found = Found(skeletons=files)
        patch.setattr("stroi.pipeline.datasets.ntu.find_files", lambda root: found)
        clips = list_ntu(Path("raw"), SETS[name]).clips
    return tuple(Sample(**asdict(clip), skeleton_sha256=clip.id) for clip in clips)


@cache
def profile(name: str) -> Profile:
    return load_profile(ROOT, name)


@pytest.mark.parametrize(
    ("name", "protocol"), PROTOCOLS, ids=[protocol.split for _, protocol in PROTOCOLS]
)
def test_splits_have_the_published_sizes(name: str, protocol: Protocol) -> None:
    every = samples(name)
    ids = {one.id for one in every}
    parts = divide(every, profile(name).splits[protocol.split], usable=ids)
    assert (len(parts.train), len(parts.test)) == protocol.sizes
    assert set(parts.train) == {one for one in ids if protocol.trains(Name.of(one))}
    assert set(parts.train) | set(parts.test) == ids
    assert {one.split for one in SETS[name].protocols} == set(profile(name).splits)


@pytest.mark.parametrize("name", SETS)
def test_the_rows_are_the_names_that_the_authors_have(name: str) -> None:
    if not LISTS.is_dir():
        pytest.skip(f"the list of names is not there: {LISTS}")
    listed = (LISTS / f"{name}_available.txt").read_text().split()
    assert [one.id for one in samples(name)] == sorted(listed)


def test_xsub_by_hand() -> None:
    train = profile("ntu60").splits["xsub"].train
    assert train is not None
    assert [int(one[1:]) for one in train] == [
        1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38,
    ]  # fmt: skip
    more = set(profile("ntu120").splits["xsub120"].train or ()) - set(train)
    assert sorted(int(one[1:]) for one in more) == [
        45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85,
        86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
    ]  # fmt: skip
    assert profile("ntu60").splits["xview"].test == ("C001",)
    even = profile("ntu120").splits["xset120"].train
    assert even == tuple(f"S{number:03d}" for number in range(2, 33, 2))


@pytest.mark.parametrize(("name", "ntu"), SETS.items())
def test_profiles_hold_the_papers_params(name: str, ntu: NtuSet) -> None:
    one = profile(name)
    assert one.index.adapter == name
    assert one.skeletons3d.format == "ntu"
    assert (one.mosaics.cell, one.mosaics.columns, one.mosaics.size) == (96, 5, 225)
    for schedule in (one.gcn.schedule, one.resnet.schedule):
        assert (schedule.epochs, schedule.milestones, schedule.lr) == (65, (45, 55), 0.1)
        assert (schedule.batch_size, schedule.gamma, schedule.momentum) == (64, 0.1, 0.9)
    shown = {label for pair in one.ensemble.pairs.values() for label in pair}
    assert shown == {class_names()[f"A{number:03d}"] for number in (11, 12, 30, 31, 53)}
