"""Saves inside an epoch: when, what is in them, and which are refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_loop import KEY, SCHEDULE, Rows, copy_tensors, same_tensors, small_net, task_of, train

from stroi.cache.errors import RefusedInput
from stroi.trainer.network_files.safetensors_io import read_tensors, write_tensors
from stroi.trainer.run.progress import EpochProgress, EpochRecord
from stroi.trainer.run.resume_point import checkpoint_path

GOOD = {
    "losses": [0.5, 0.25], "batch_sizes": [4, 4], "correct": 5, "seconds": 1.5, "data_wait": 0.5,
}  # fmt: skip


def _fit(folder: Path | None, *, stop_at: int = 10**6, minutes: float = 0.0, **more: Any) -> Any:
    """Train, with dropout and a moving average, and be killed before batch `stop_at`."""
    net, seen = small_net(), 0
    epoch_batches, compute_loss = task_of(net)
    schedule = SCHEDULE.replace(ema=0.5, accumulate=more.pop("accumulate", 1))

    def counted(epoch: int, skip: int) -> Generator[Rows, None, None]:
        nonlocal seen
        for batch in epoch_batches(epoch, skip):
            seen += 1
            if seen == stop_at:
                raise KeyboardInterrupt
            yield batch

    records = train(
        net, counted, compute_loss, schedule=schedule, folder=folder, save_every=99,
        save_minutes=minutes, **more,
    )  # fmt: skip
    return copy_tensors(net), [(r.epoch, r.loss, r.accuracy, r.lr) for r in records], seen


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("stop_at", [2, 3, 5, 9, 18])
def test_stopped_inside_an_epoch_and_resumed_is_the_same_bits(
    tmp_path: Path, stop_at: int, accumulate: int
) -> None:
    """Three batches per epoch; the order, the dropout and the sums go on where they stopped."""
    whole, records, count = _fit(None, accumulate=accumulate)
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, stop_at=stop_at, accumulate=accumulate)
    resumed, same, rest = _fit(tmp_path, accumulate=accumulate)
    assert same_tensors(resumed, whole)
    assert same == records
    steps = [at for at in range(1, stop_at) if accumulate == 1 or at % 3 == 2]
    assert rest == count - max(steps, default=0)


def test_a_checkpoint_inside_an_epoch_has_rng_states_and_losses(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, stop_at=6)
    tensors, meta = read_tensors(checkpoint_path(tmp_path, KEY))
    assert len(meta["records"]) == 1
    assert meta["progress"].keys() == GOOD.keys()
    assert len(meta["progress"]["losses"]) == 2
    assert tensors["rng_state.cpu"].dtype == torch.uint8
    assert tensors["rng_state.cpu"].shape == (1, len(torch.get_rng_state()))
    assert any(name.startswith("momentum.") for name in tensors)


def test_no_save_inside_an_epoch_before_its_time(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, stop_at=6, minutes=10)
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_a_finished_run_has_no_momenta(tmp_path: Path) -> None:
    whole, _, _ = _fit(tmp_path)
    tensors, meta = read_tensors(checkpoint_path(tmp_path, KEY))
    assert meta["finished"] is True
    assert {name.split(".")[0] for name in tensors} == {"model", "ema"}
    again, _, seen = _fit(tmp_path)
    assert same_tensors(again, whole)
    assert seen == 0


def _rng_state(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., None]:
    def changed(tensors: dict[str, Any], meta: dict[str, Any]) -> None:
        tensors["rng_state.cpu"] = change(tensors["rng_state.cpu"])

    return changed


def _without(tensors: dict[str, Any], meta: dict[str, Any]) -> None:
    del tensors["rng_state.cpu"]


def _other_sizes(tensors: dict[str, Any], meta: dict[str, Any]) -> None:
    meta["progress"]["batch_sizes"] = [1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_rng_state(torch.zeros_like), "STATE"),
        (_rng_state(lambda value: value[:, :-1]), "PTH_SHAPE"),
        (_without, "PTH_NAMES"),
        (_other_sizes, "STATE"),
    ],
    ids=["no generator's", "short", "missing", "batch sizes"],
)
def test_a_state_that_was_changed_is_refused(
    tmp_path: Path, change: Callable[..., None], code: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path, stop_at=3)
    path = checkpoint_path(tmp_path, KEY)
    tensors, meta = read_tensors(path)
    change(tensors, meta)
    write_tensors(path, tensors, meta)
    with pytest.raises(RefusedInput) as caught:
        _fit(tmp_path)
    assert caught.value.code == code


def test_a_state_dict_is_read_back() -> None:
    progress = EpochProgress(**GOOD)
    assert EpochProgress.from_state(json.loads(json.dumps(progress.state_dict()))) == progress


@pytest.mark.parametrize(
    "change",
    [
        {"losses": [0.5]}, {"losses": [0.5, float("nan")]}, {"losses": "ab"}, {"losses": None},
        {"batch_sizes": [4, -4]}, {"batch_sizes": [8, 0]}, {"batch_sizes": [4, 4.0]},
        {"correct": 9}, {"correct": -1}, {"correct": True}, {"seconds": "1"},
        {"data_wait": float("inf")}, {"losses": [], "batch_sizes": []}, {"more": 1},
        {"_losses": [1]},
    ],
    ids=str,
)  # fmt: skip
def test_what_comes_from_no_epoch_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        EpochProgress.from_state(GOOD | change)


def test_the_share_of_waiting_is_measured() -> None:
    """Batches that take four times as long as the steps."""
    net = small_net()
    epoch_batches, compute_loss = task_of(net)

    def slow(epoch: int, skip: int) -> Generator[Rows, None, None]:
        for batch in epoch_batches(epoch, skip):
            time.sleep(0.08)
            yield batch

    def timed(batch: Rows) -> Any:
        time.sleep(0.02)
        return compute_loss(batch)

    (record,) = train(net, slow, timed, schedule=SCHEDULE.replace(epochs=1))
    assert 0.5 < record.data_wait < 0.95
    assert record.seconds >= 0.3
    assert record.gpu_utilisation is None
    assert isinstance(record, EpochRecord)
    assert np.isclose(record.samples_per_second, 11 / record.seconds)
