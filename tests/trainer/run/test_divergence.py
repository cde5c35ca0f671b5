"""A training that diverges in its last step says so, keeps its last good state, blocks nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from small_inputs import CLASSES, LABELS, QUICK, SMALL_GCN, clips
from torch import Tensor, nn
from training_loop import KEY, Rows, train
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import ResNetConfig, Schedule
from stroi.trainer.network_files.safetensors_io import META, read_meta, read_tensors
from stroi.trainer.run.resume_point import checkpoint_path

HUGE = 3e38
"""As a learning rate, it makes the next step overflow; the loss before that step is finite."""
REMEDY = "lower the learning rate or add warm-up epochs; look for damaged input"


def _fit(
    folder: Path | None, schedule: Schedule, *, batches: int = 1, scale: float = 1.0
) -> nn.Module:
    """Train a small network on eight rows a batch; `scale` is that of its input."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    x, y = torch.randn(8, 4) * scale, torch.arange(8) % 2

    def epoch_batches(epoch: int, skip: int) -> Generator[Rows, None, None]:
        for _ in range(batches - skip):
            yield Rows(np.arange(8))

    def compute_loss(batch: Rows) -> tuple[Tensor, Tensor]:
        logits = net(x)
        loss = nn.functional.cross_entropy(logits, y) * 1e4
        return loss, (logits.argmax(1) == y).sum()

    train(
        net, epoch_batches, compute_loss, schedule=schedule, folder=folder, save_every=1,
        save_minutes=0,
    )  # fmt: skip
    return net


@pytest.mark.parametrize(
    ("schedule", "scale", "what"),
    [
        pytest.param(Schedule(epochs=1, lr=HUGE), 1.0, "model.0.weight", id="weights"),
        pytest.param(Schedule(epochs=1, lr=1e-6), 1e22, "model.1.running_var", id="statistics"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_what_diverges_in_the_last_step_is_told_and_not_saved(
    tmp_path: Path, schedule: Schedule, scale: float, what: str, kept: bool
) -> None:
    for _ in range(2):
        with pytest.raises(StroiError) as caught:
            _fit(tmp_path if kept else None, schedule, scale=scale)
        assert str(caught.value) == (
            f"WEIGHTS_NOT_FINITE: epoch 0, at learning rate {schedule.lr:g}: the training "
            f"diverged, {what} holds NaN or infinity; {REMEDY}"
        )
        assert list(tmp_path.iterdir()) == []


def test_the_last_good_state_stays_and_a_lower_rate_goes_on_from_it(tmp_path: Path) -> None:
    """Five epochs are good, the sixth is not: the file is that of the fifth."""
    calm = Schedule(epochs=6, lr=1e-6, milestones=(5,))
    # Not validated: no schedule that is allowed diverges so late in so small a training.
    wild = calm.model_copy(update={"gamma": HUGE / 1e-6})
    for _ in range(2):
        with pytest.raises(StroiError, match="WEIGHTS_NOT_FINITE: epoch 5, at learning rate 3e"):
            _fit(tmp_path, wild)
        path = checkpoint_path(tmp_path, KEY)
        assert len(read_meta(path)["records"]) == 5
        read_tensors(path)
    _fit(tmp_path, calm)
    assert len(read_meta(path)["records"]) == 6


def test_no_state_inside_an_epoch_is_of_weights_that_the_next_batch_would_find_bad(
    tmp_path: Path,
) -> None:
    """The loss of the step that diverges is finite, and the state would be saved after it."""
    with pytest.raises(StroiError, match="WEIGHTS_NOT_FINITE: epoch 0"):
        _fit(tmp_path, Schedule(epochs=1, lr=HUGE), batches=3)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_had_diverged_says_how_to_go_on(tmp_path: Path) -> None:
    """One of an older version, that saved what it had."""
    schedule = Schedule(epochs=1, lr=1e-6)
    _fit(tmp_path, schedule)
    path = checkpoint_path(tmp_path, KEY)
    tensors, meta = read_tensors(path)[0], safetensors.safe_open(path, "pt").metadata()
    tensors["model.2.bias"][0] = torch.nan
    safetensors.torch.save_file(tensors, path, metadata={META: meta[META]})
    with pytest.raises(StroiError) as caught:
        _fit(tmp_path, schedule)
    assert str(caught.value) == (
        f"WEIGHTS_NOT_FINITE: {str(path)!a}: 'model.2.bias' holds NaN or infinity: this training "
        f"diverged before its state was saved; {REMEDY}; to repeat it as it was, delete the file"
    )
    path.unlink()
    _fit(tmp_path, schedule)


def test_real_networks_tell_too(tmp_path: Path, mosaics: MosaicCache) -> None:
    schedule = QUICK.replace(epochs=1, batch_size=8, lr=HUGE, weight_decay=1e6)
    trainings = {
        "gcn": lambda: gcn_trained(
            clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=schedule, checkpoints=tmp_path
        ),
        "resnet": lambda: resnet_trained(
            "plain", mosaics, LABELS, CLASSES, config=ResNetConfig(), schedule=schedule, seed=0,
            device="cpu", checkpoints=tmp_path,
        ),
    }  # fmt: skip
    for training in trainings.values():
        with pytest.raises(StroiError, match="WEIGHTS_NOT_FINITE: epoch 0, at learning rate 3e"):
            training()
    with suppress(FileNotFoundError):
        assert list(tmp_path.iterdir()) == []
