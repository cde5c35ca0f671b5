"""Clips are prepared once, and a finished training prepares and loads none."""

from __future__ import annotations

import mmap
import resource
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_inputs import CLASSES, IDS, LABELS, SMALL_GCN, clip, clips
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.trainer import score_resnet, train_resnet
from stroi.trainer.config import LoaderConfig, Mode, ResNetConfig, Schedule
from stroi.trainer.data import mosaic_loader, prepared_clips
from stroi.trainer.data.input_digests import clips_digest
from stroi.trainer.data.prepared_clips import PreparedClips, prepared_chunks
from stroi.trainer.data.skeleton_input import SkeletonSet, prepare_all
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights, score_gcn

TRAIN = {name: LABELS[name] for name in IDS[:5]}
UNSEEN = {name: LABELS[name] for name in IDS[5:]}
SHORT = Schedule(epochs=3, batch_size=4, lr=0.05, milestones=(1,))
MODES: tuple[Mode, ...] = ("plain", "fixed", "end-to-end")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Ids of the clips that are prepared, as it happens."""
    sets: list[tuple[str, ...]] = []

    def count(source: Any, ids: Sequence[str], **preparation: Any) -> SkeletonSet:
        sets.append(tuple(ids))
        return prepare_all(source, ids, **preparation)

    monkeypatch.setattr(prepared_clips, "prepare_all", count)
    return sets


def refused(*_: object, **__: object) -> None:
    raise AssertionError("a finished training prepares or loads clips")


def test_epochs_validation_streams_seeds_and_scores_share_what_is_prepared(
    prepared: list[tuple[str, ...]],
) -> None:
    source = PreparedClips(clips())
    for seed, stream in product((0, 1), ("joint", "bone")):
        settings = {
            "config": SMALL_GCN.replace(stream=stream), "schedule": SHORT, "seed": seed,
            "validation": UNSEEN,
        }  # fmt: skip
        net = gcn_trained(source, TRAIN, CLASSES, **settings)
        scores = score_gcn(net, source, tuple(UNSEEN))
        assert prepared == [tuple(TRAIN), tuple(UNSEEN)]
    alone = gcn_trained(clips(), TRAIN, CLASSES, **settings)
    assert model_digest(net) == model_digest(alone)
    np.testing.assert_array_equal(scores.logits, score_gcn(alone, clips(), tuple(UNSEEN)).logits)


def test_other_settings_are_prepared_again() -> None:
    source = PreparedClips(clips())
    one = source.prepare(IDS, frames=8)
    assert source.prepare(IDS[::-1], frames=8) is one
    assert source.prepare(IDS, frames=9).x.shape[2] == 9
    assert source.prepare(IDS, frames=8, fill="pad") is not one


def test_large_sets_lie_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_clips, "MAX_BYTES", 1000)
    source = PreparedClips(clips(), scratch=tmp_path)
    found, expected = source.prepare(IDS, frames=8), prepare_all(clips(), IDS, frames=8)
    np.testing.assert_array_equal(found.x, expected.x)
    np.testing.assert_array_equal(found.present, expected.present)
    (size,) = mapped(tmp_path)
    assert 0 <= size - found.x.nbytes < mmap.PAGESIZE
    assert list(tmp_path.iterdir()) == []
    assert PreparedClips(clips()).prepare(IDS, frames=8).x.flags.owndata
    settings = {"config": SMALL_GCN, "schedule": SHORT, "validation": UNSEEN}
    net, alone = (gcn_trained(each, TRAIN, CLASSES, **settings) for each in (source, clips()))
    assert model_digest(net) == model_digest(alone)


def test_a_full_disk_is_found_before_clips_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_clips, "MAX_BYTES", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StroiError, match=r"DISK_FULL: no space left .* \(needs 1 MB\)"):
            PreparedClips(clips(), scratch=tmp_path).prepare(IDS, frames=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mapped(folder: Path) -> list[int]:
    """Sizes of the mapped files of this process in a folder, up to whole pages."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines if f" {folder}/" in line]
    return [int(stop, 16) - int(start, 16) for start, stop in ranges]


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_chunks_are_the_same_kept_or_not(size: int) -> None:
    kept, plain = (
        list(prepared_chunks(source, IDS, size, frames=6))
        for source in (PreparedClips(clips()), clips())
    )
    assert [chunk.ids for chunk in kept] == [chunk.ids for chunk in plain]
    for one, other in zip(kept, plain, strict=True):
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.present, other.present)


def test_a_finished_graph_network_is_found_before_a_clip_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(on_epoch: Callable[[EpochRecord], None]) -> str:
        return model_digest(
            gcn_trained(
                clips(), TRAIN, CLASSES, config=SMALL_GCN, schedule=SHORT, checkpoints=tmp_path,
                validation=UNSEEN, on_epoch=on_epoch,
            )
        )  # fmt: skip

    first: list[EpochRecord] = []
    again: list[EpochRecord] = []
    digest = train(first.append)
    monkeypatch.setattr(prepared_clips, "prepare_all", refused)
    assert train(again.append) == digest
    assert again == first


@pytest.mark.parametrize("mode", MODES)
def test_an_rgb_network_loads_its_inputs_once_and_none_when_it_is_finished(
    mode: Mode,
    mosaics: MosaicCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepared: list[tuple[str, ...]],
) -> None:
    gcn = gcn_trained(clips(), TRAIN, CLASSES, config=SMALL_GCN, schedule=SHORT)
    inputs: dict[str, Any] = {
        "plain": {},
        "fixed": {"weights": compute_weights(gcn, clips(), IDS)[0]},
        "end-to-end": {"gcn": gcn, "clips": clips()},
    }[mode]
    prepared.clear()
    loaded: list[tuple[str, ...]] = []
    load = train_resnet.load_side_inputs

    def count(mode: Mode, mosaics: MosaicCache, ids: Sequence[str], **given: Any) -> Any:
        loaded.append(tuple(ids))
        return load(mode, mosaics, ids, **given)

    for module in (train_resnet, score_resnet):
        monkeypatch.setattr(module, "load_side_inputs", count)

    def train() -> str:
        return model_digest(
            resnet_trained(
                mode, mosaics, TRAIN, CLASSES, **inputs, config=ResNetConfig(), schedule=SHORT,
                validation=UNSEEN, checkpoints=tmp_path,
                loader_config=LoaderConfig(resident="device"),
            )
        )  # fmt: skip

    digest = train()
    assert loaded == [tuple(TRAIN), tuple(UNSEEN)]
    assert prepared == (loaded if mode == "end-to-end" else [])
    for module, name in (
        (train_resnet, "load_side_inputs"), (score_resnet, "load_side_inputs"),
        (mosaic_loader, "load_resident"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, refused)
    assert train() == digest


@pytest.mark.parametrize(
    "other",
    [
        clip(0, persons=2), clip(1, persons=1), clip(0, persons=1, frames=15),
        Clip(clip(0).keypoints, 1, 480, 361, 25.0),
    ],
    ids=["people", "values", "frames", "height"],
)  # fmt: skip
def test_a_digest_of_clips_is_of_all_they_hold(other: Clip) -> None:
    one = {"a": clip(0), "b": clip(5)}
    assert clips_digest(one, ("a", "b")) == clips_digest(
        PreparedClips({"b": clip(5), "a": clip(0), "c": other}), ("a", "b")
    )
    assert clips_digest(one, ("a", "b")) != clips_digest(one | {"a": other}, ("a", "b"))
    assert clips_digest(one, ("a", "b")) != clips_digest(one, ("a",))
