"""How the field trains: cosine, weights alone decayed, smoothed labels, an averaged network."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, LABELS, QUICK, SMALL_GCN, clips
from torch import Tensor, nn
from training_loop import Rows, train
from trainings import gcn_trained

from stroi.trainer.config import Schedule, SkeletonAugment
from stroi.trainer.loop import learning_rate
from stroi.trainer.run.ema import WeightEma
from stroi.trainer.run.losses import branch_loss
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest

MODERN = SMALL_GCN.replace(
    model="ctrgcn", channels=(8, 8), strides=(1, 2), topologies=4, smoothing=0.1,
    augment=SkeletonAugment(
        rotate=60, tilt=10, scale=0.2, time_crop=0.7, time_jitter=1.0, flip=0.5
    ),
)  # fmt: skip
COSINE = QUICK.replace(
    decay="cosine", warmup=1, ema=0.9, nesterov=True, decay_all=False, weight_decay=0.01
)


def test_cosine_falls_from_the_rate_to_almost_nothing_after_the_warmup() -> None:
    schedule = Schedule(epochs=10, lr=0.2, warmup=2, decay="cosine", milestones=(5,))
    rates = [learning_rate(schedule, epoch) for epoch in range(10)]
    expected = [0.1, 0.2] + [0.1 * (1 + np.cos(np.pi * k / 8)) for k in range(8)]
    np.testing.assert_allclose(rates, expected)
    assert rates[1:] == sorted(rates[1:], reverse=True)


def _one_step(schedule: Schedule) -> nn.Module:
    """A network after one step in which no gradient but that of weight decay moves anything."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        yield Rows(np.arange(2))

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        return sum((value.sum() * 0 for value in net.parameters()), torch.zeros(())), torch.tensor(
            1
        )

    train(net, epoch_batches, compute_loss, schedule=schedule)
    return net


@pytest.mark.parametrize("decay_all", [True, False])
def test_weight_decay_spares_biases_and_normalisation_if_told_so(decay_all: bool) -> None:
    schedule = Schedule(epochs=1, batch_size=2, lr=0.5, weight_decay=0.1, decay_all=decay_all)
    torch.manual_seed(0)
    before = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict()
    for name, value in _one_step(schedule).named_parameters():
        shrunk = 0.95 if decay_all or name == "0.weight" else 1.0
        torch.testing.assert_close(value.data, before[name] * shrunk, msg=name)


def test_smoothed_labels_against_numpy() -> None:
    logits = np.random.default_rng(0).normal(0, 1, (5, 4)).astype(np.float32)
    labels = np.array([0, 3, 1, 1, 2])
    target = np.full((5, 4), 0.2 / 4)
    target[np.arange(5), labels] += 0.8
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    got = branch_loss(
        torch.from_numpy(logits), torch.from_numpy(labels), "cross_entropy", smoothing=0.2
    )
    assert float(got) == pytest.approx(-(target * logs).sum(1).mean(), rel=1e-5)


def test_moving_average_against_a_reading_step_by_step() -> None:
    net = nn.BatchNorm1d(2)
    ema = WeightEma(net, 0.75)
    expected = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            net.weight.copy_(torch.randn(2, generator=random))
        net(torch.randn(4, 2, generator=random))
        ema.update(net)
        for name, value in net.state_dict().items():
            expected[name] = (
                0.75 * expected[name] + 0.25 * value if value.is_floating_point() else value.clone()
            )
    ema.copy_to(net)
    assert net.state_dict()["num_batches_tracked"] == 3
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def _train(state: Path | None = None, stop: int | None = None, **changes: object) -> str:
    """Digest of the network, or of nothing if it was stopped."""

    class Stopped(Exception):
        pass

    def tell(record: EpochRecord) -> None:
        if record.epoch == stop:
            raise Stopped

    config = MODERN.replace(**changes)
    with suppress(Stopped):
        return model_digest(
            gcn_trained(
                clips(), LABELS, CLASSES, config=config, schedule=COSINE, seed=0, checkpoints=state,
                save_every=1, on_epoch=tell,
            )
        )  # fmt: skip
    return ""


def test_resumed_with_augmentation_and_average_equals_uninterrupted(tmp_path: Path) -> None:
    whole = _train()
    for stop in (0, 2):
        assert _train(tmp_path / str(stop), stop) == ""
        assert _train(tmp_path / str(stop)) == whole


def test_every_setting_makes_another_training(tmp_path: Path) -> None:
    digests = {_train(tmp_path)}
    for change in (
        {"stream": "bone"}, {"centre": "frame"}, {"size": "clip"}, {"frames": 20, "fill": "pad"},
        {"topologies": 2}, {"smoothing": 0.0}, {"augment": MODERN.augment.replace(time_jitter=0.5)},
    ):  # fmt: skip
        digests.add(_train(tmp_path, **change))
    assert len(digests) == len(list(tmp_path.iterdir())) == 8
