"""The training loop: rates, resuming to the bit, divergence named."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_loop import KEY, SCHEDULE, Rows, copy_tensors, same_tensors, small_net, task_of, train

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.trainer.config import Schedule
from stroi.trainer.loop import learning_rate
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.resume_point import checkpoint_path


def _train(folder: Path | None, *, stop_after: int | None = None, save_every: int = 1) -> tuple[
    dict[str, Tensor], list[EpochRecord]
]:  # fmt: skip
    net = small_net()
    records: list[EpochRecord] = []

    class Interrupted(Exception):
        pass

    def on_epoch(record: EpochRecord) -> None:
        records.append(record)
        if len(records) == stop_after:
            raise Interrupted

    with suppress(Interrupted):
        train(net, *task_of(net), folder=folder, save_every=save_every, on_epoch=on_epoch)
    return {name: value.clone() for name, value in net.state_dict().items()}, records


def test_rates_follow_warmup_and_milestones() -> None:
    rates = [learning_rate(SCHEDULE, epoch) for epoch in range(6)]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    slow = Schedule(lr=0.4, warmup=4, milestones=(6,))
    np.testing.assert_allclose(
        [learning_rate(slow, epoch) for epoch in range(7)], [0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.04]
    )


def test_papers_schedule_is_the_default() -> None:
    rates = [learning_rate(Schedule(), epoch) for epoch in (0, 44, 45, 54, 55, 64)]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert (Schedule().epochs, Schedule().batch_size) == (65, 64)


def test_same_seed_same_bits() -> None:
    assert same_tensors(_train(None)[0], _train(None)[0])


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_resumed_equals_uninterrupted_to_the_bit(tmp_path: Path, stop_after: int) -> None:
    whole, records = _train(None)
    stopped, _ = _train(tmp_path, stop_after=stop_after, save_every=2 if stop_after > 3 else 1)
    assert not same_tensors(stopped, whole)
    resumed, again = _train(tmp_path)
    assert same_tensors(resumed, whole)
    assert [(r.epoch, r.loss, r.accuracy, r.lr) for r in again] == [
        (r.epoch, r.loss, r.accuracy, r.lr) for r in records
    ]


def test_a_finished_run_is_loaded_and_not_redone(tmp_path: Path) -> None:
    whole, _ = _train(tmp_path)
    net = small_net(seed=9)

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        raise AssertionError("nothing is left to train")
        yield

    records: list[EpochRecord] = []
    train(net, epoch_batches, task_of(net)[1], folder=tmp_path, on_epoch=records.append)
    assert same_tensors(dict(net.state_dict()), whole)
    assert [record.epoch for record in records] == list(range(6))


def test_another_key_starts_afresh(tmp_path: Path) -> None:
    whole, _ = _train(tmp_path)
    net = small_net()
    records = train(net, *task_of(net), seed=1, key="other", folder=tmp_path)
    assert len(records) == 6
    assert not same_tensors(dict(net.state_dict()), whole)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    _train(tmp_path)
    path = checkpoint_path(tmp_path, KEY)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RefusedInput, match="ST_HEADER"):
        _train(tmp_path)


def test_divergence_names_epoch_batch_and_rate(tmp_path: Path) -> None:
    net = small_net()
    with pytest.raises(StroiError) as caught:
        train(net, *task_of(net, poison=float("nan")), folder=tmp_path)
    assert str(caught.value) == (
        "LOSS_NOT_FINITE: the loss is nan in epoch 0, batch 0, at learning rate 0.1; "
        "lower the learning rate or add warm-up epochs; look for damaged input"
    )
    assert list(tmp_path.iterdir()) == []


class _Validated:
    """Trains with a validation that wastes random numbers and needs no gradient."""

    def __init__(self, shares: tuple[float, ...] = (), *, keep: str = "last") -> None:
        self.net, self.shares, self.schedule = small_net(), shares, SCHEDULE.replace(keep=keep)
        self.seen: list[dict[str, Tensor]] = []

    def validate(self) -> tuple[float, float]:
        assert not self.net.training
        assert not torch.is_grad_enabled()
        torch.rand(3), np.random.default_rng(0).random(3)
        self.seen.append(copy_tensors(self.net))
        at = len(self.seen) - 1
        return (float("inf"), self.shares[at]) if self.shares else (0.5, 0.25)

    def train(self, folder: Path | None = None, *, stop_after: int | None = None) -> list:
        records: list[EpochRecord] = []

        def on_epoch(record: EpochRecord) -> None:
            records.append(record)
            if len(records) == stop_after:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            train(
                self.net, *task_of(self.net), schedule=self.schedule, folder=folder, save_every=1,
                validate=self.validate, on_epoch=on_epoch,
            )  # fmt: skip
        return records


def test_validation_changes_no_step() -> None:
    validated = _Validated()
    records = validated.train()
    whole, plain = _train(None)
    assert same_tensors(copy_tensors(validated.net), whole)
    assert [(r.loss, r.accuracy) for r in records] == [(r.loss, r.accuracy) for r in plain]
    assert {(r.validation_loss, r.validation_accuracy) for r in records} == {(0.5, 0.25)}
    assert {(r.validation_loss, r.validation_accuracy) for r in plain} == {(None, None)}
    assert len(validated.seen) == 6


SHARES = (0.1, 0.6, 0.3, 0.6, 0.5, 0.2)


def test_the_best_epoch_is_kept_and_the_earlier_of_two_that_are_as_good() -> None:
    validated = _Validated(SHARES, keep="best")
    records = validated.train()
    assert same_tensors(copy_tensors(validated.net), validated.seen[1])
    assert [record.validation_accuracy for record in records] == list(SHARES)
    assert {record.validation_loss for record in records} == {None}


def test_the_last_epoch_is_kept_by_default() -> None:
    validated = _Validated(SHARES)
    validated.train()
    assert same_tensors(copy_tensors(validated.net), validated.seen[-1])


@pytest.mark.parametrize("stop_after", [1, 2, 5, 6])
def test_the_best_epoch_survives_an_interruption(tmp_path: Path, stop_after: int) -> None:
    whole = _Validated(SHARES, keep="best")
    whole.train()
    _Validated(SHARES, keep="best").train(tmp_path, stop_after=stop_after)
    resumed = _Validated(SHARES[stop_after:], keep="best")
    records = resumed.train(tmp_path)
    assert same_tensors(copy_tensors(resumed.net), copy_tensors(whole.net))
    assert [record.validation_accuracy for record in records] == list(SHARES)


def test_a_moving_average_is_validated_and_kept(tmp_path: Path) -> None:
    plain = _Validated()
    plain.schedule = SCHEDULE.replace(ema=0.5)
    plain.train()
    assert same_tensors(copy_tensors(plain.net), plain.seen[-1])
    best = _Validated(SHARES, keep="best")
    best.schedule = best.schedule.replace(ema=0.5)
    best.train()
    assert same_tensors(copy_tensors(best.net), plain.seen[1])
    alone = small_net()
    schedule = SCHEDULE.replace(ema=0.5)
    train(alone, *task_of(alone), schedule=schedule)
    assert same_tensors(copy_tensors(alone), copy_tensors(plain.net))


def test_the_best_epoch_needs_validation_clips() -> None:
    net = small_net()
    with pytest.raises(ParamsError) as caught:
        train(net, *task_of(net), schedule=SCHEDULE.replace(keep="best"))
    assert str(caught.value) == (
        "KEEP_BEST: the best epoch cannot be kept: there are no validation clips; "
        "give the split a validation part, or set schedule.keep to last"
    )


def test_nothing_global_is_left_changed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    again = small_net(3)
    torch.manual_seed(5)
    train(again, *task_of(again))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_records_are_means_over_clips() -> None:
    net = small_net()
    epoch_batches, compute_loss = task_of(net)
    seen: list[tuple[float, int, int]] = []

    def noted(batch: Rows) -> tuple[Tensor, Tensor]:
        loss, correct = compute_loss(batch)
        seen.append((float(loss.detach()), int(correct), batch.size))
        return loss, correct

    schedule = Schedule(epochs=1, batch_size=4)
    (record,) = train(net, epoch_batches, noted, schedule=schedule)
    assert sum(size for _, _, size in seen) == 11
    assert record.loss == pytest.approx(sum(loss * size for loss, _, size in seen) / 11)
    assert record.accuracy == pytest.approx(sum(correct for _, correct, _ in seen) / 11)
    assert record.samples_per_second == pytest.approx(11 / record.seconds)
