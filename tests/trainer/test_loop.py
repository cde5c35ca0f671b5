"""The training loop: rates, resuming to the bit, divergence told in words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_loop import KEY, SCHEDULE, copy_tensors, same_tensors, small_net, task_of

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.trainer.config import Schedule
from stroi.trainer.data.epoch_order import Batch
from stroi.trainer.loop import fit, learning_rate
from stroi.trainer.run.state import EpochRecord, state_path


def _train(state: Path | None, *, stop_after: int | None = None, save_every: int = 1) -> tuple[
    dict[str, Tensor], list[EpochRecord]
]:  # fmt: skip
    net = small_net()
    told: list[EpochRecord] = []

    class Interrupted(Exception):
        pass

    def tell(record: EpochRecord) -> None:
        told.append(record)
        if len(told) == stop_after:
            raise Interrupted

    with suppress(Interrupted):
        fit(
            net, *task_of(net), schedule=SCHEDULE, seed=0, key=KEY, threads=1, state=state,
            save_every=save_every, on_epoch=tell,
        )  # fmt: skip
    return {name: value.clone() for name, value in net.state_dict().items()}, told


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
    resumed, told = _train(tmp_path)
    assert same_tensors(resumed, whole)
    assert [(r.epoch, r.loss, r.accuracy, r.lr) for r in told] == [
        (r.epoch, r.loss, r.accuracy, r.lr) for r in records
    ]


def test_a_finished_run_is_loaded_and_not_redone(tmp_path: Path) -> None:
    whole, _ = _train(tmp_path)
    net = small_net(seed=9)

    def feed(epoch: int, skip: int) -> Generator[Batch, None, None]:
        raise AssertionError("nothing is left to train")
        yield

    told: list[EpochRecord] = []
    fit(
        net, feed, task_of(net)[1], schedule=SCHEDULE, seed=0, key=KEY, threads=1, state=tmp_path,
        on_epoch=told.append,
    )  # fmt: skip
    assert same_tensors(dict(net.state_dict()), whole)
    assert [record.epoch for record in told] == list(range(6))


def test_another_key_starts_afresh(tmp_path: Path) -> None:
    whole, _ = _train(tmp_path)
    net = small_net()
    records = fit(
        net, *task_of(net), schedule=SCHEDULE, seed=1, key="other", threads=1, state=tmp_path
    )
    assert len(records) == 6
    assert not same_tensors(dict(net.state_dict()), whole)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    _train(tmp_path)
    path = state_path(tmp_path, KEY)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RefusedInput, match="ST_HEADER"):
        _train(tmp_path)


def test_divergence_names_epoch_batch_and_rate(tmp_path: Path) -> None:
    net = small_net()
    with pytest.raises(StroiError) as caught:
        fit(
            net, *task_of(net, poison=float("nan")), schedule=SCHEDULE, seed=0, key=KEY, threads=1,
            state=tmp_path,
        )  # fmt: skip
    assert str(caught.value) == (
        "LOSS_NOT_FINITE: the loss is nan in epoch 0, batch 0, at learning rate 0.1; "
        "lower the learning rate or add warm-up epochs; look for damaged input"
    )
    assert list(tmp_path.iterdir()) == []


class _Judged:
    """Trains with clips to judge by: a judge that wastes random numbers and needs no gradient."""

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

    def train(self, state: Path | None = None, *, stop_after: int | None = None) -> list:
        told: list[EpochRecord] = []

        def tell(record: EpochRecord) -> None:
            told.append(record)
            if len(told) == stop_after:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            fit(
                self.net, *task_of(self.net), schedule=self.schedule, seed=0, key=KEY, threads=1,
                state=state, save_every=1, validate=self.validate, on_epoch=tell,
            )  # fmt: skip
        return told


def test_being_judged_changes_no_step() -> None:
    judged = _Judged()
    records = judged.train()
    whole, plain = _train(None)
    assert same_tensors(copy_tensors(judged.net), whole)
    assert [(r.loss, r.accuracy) for r in records] == [(r.loss, r.accuracy) for r in plain]
    assert {(r.validation_loss, r.validation_accuracy) for r in records} == {(0.5, 0.25)}
    assert {(r.validation_loss, r.validation_accuracy) for r in plain} == {(None, None)}
    assert len(judged.seen) == 6


SHARES = (0.1, 0.6, 0.3, 0.6, 0.5, 0.2)


def test_the_best_epoch_is_kept_and_the_earlier_of_two_that_are_as_good() -> None:
    judged = _Judged(SHARES, keep="best")
    records = judged.train()
    assert same_tensors(copy_tensors(judged.net), judged.seen[1])
    assert [record.validation_accuracy for record in records] == list(SHARES)
    assert {record.validation_loss for record in records} == {None}


def test_the_last_epoch_is_kept_unless_told_otherwise() -> None:
    judged = _Judged(SHARES)
    judged.train()
    assert same_tensors(copy_tensors(judged.net), judged.seen[-1])


@pytest.mark.parametrize("stop_after", [1, 2, 5, 6])
def test_the_best_epoch_survives_an_interruption(tmp_path: Path, stop_after: int) -> None:
    whole = _Judged(SHARES, keep="best")
    whole.train()
    _Judged(SHARES, keep="best").train(tmp_path, stop_after=stop_after)
    resumed = _Judged(SHARES[stop_after:], keep="best")
    records = resumed.train(tmp_path)
    assert same_tensors(copy_tensors(resumed.net), copy_tensors(whole.net))
    assert [record.validation_accuracy for record in records] == list(SHARES)


def test_an_averaged_network_is_judged_and_kept_averaged(tmp_path: Path) -> None:
    plain = _Judged()
    plain.schedule = SCHEDULE.replace(ema=0.5)
    plain.train()
    assert same_tensors(copy_tensors(plain.net), plain.seen[-1])
    best = _Judged(SHARES, keep="best")
    best.schedule = best.schedule.replace(ema=0.5)
    best.train()
    assert same_tensors(copy_tensors(best.net), plain.seen[1])
    unjudged = small_net()
    schedule = SCHEDULE.replace(ema=0.5)
    fit(unjudged, *task_of(unjudged), schedule=schedule, seed=0, key=KEY, threads=1)
    assert same_tensors(copy_tensors(unjudged), copy_tensors(plain.net))


def test_the_best_epoch_needs_somebody_to_judge() -> None:
    net = small_net()
    with pytest.raises(ParamsError) as caught:
        fit(net, *task_of(net), schedule=SCHEDULE.replace(keep="best"), seed=0, key=KEY, threads=1)
    assert str(caught.value) == (
        "KEEP_BEST: the best epoch cannot be kept: no clips are held out to judge it by; "
        "give the split a validation part, or set schedule.keep to last"
    )


def test_nothing_global_is_left_changed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    _train_again = small_net(3)
    torch.manual_seed(5)
    fit(_train_again, *task_of(_train_again), schedule=SCHEDULE, seed=0, key=KEY, threads=1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_records_are_means_over_clips() -> None:
    net = small_net()
    feed, step = task_of(net)
    seen: list[tuple[float, int, int]] = []

    def noted(batch: Batch) -> tuple[Tensor, Tensor]:
        loss, hits = step(batch)
        seen.append((float(loss.detach()), int(hits), len(batch.rows)))
        return loss, hits

    schedule = Schedule(epochs=1, batch_size=4)
    (record,) = fit(net, feed, noted, schedule=schedule, seed=0, key=KEY, threads=1)
    assert sum(size for _, _, size in seen) == 11
    assert record.loss == pytest.approx(sum(loss * size for loss, _, size in seen) / 11)
    assert record.accuracy == pytest.approx(sum(hits for _, hits, _ in seen) / 11)
    assert record.samples_per_second == pytest.approx(11 / record.seconds)
