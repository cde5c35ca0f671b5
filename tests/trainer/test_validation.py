"""Validation while training: what it tells, and that no weight depends on it."""

from __future__ import annotations

import numpy as np
import pytest
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import Scores
from stroi.trainer.config import Mode, ResNetConfig, Schedule
from stroi.trainer.run.losses import loss_and_accuracy
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights, score_gcn
from stroi.trainer.score_resnet import score_resnet

TRAIN = {name: LABELS[name] for name in IDS[:5]}
UNSEEN = {name: LABELS[name] for name in IDS[5:]}
TRUTH = np.array([UNSEEN[name] for name in sorted(UNSEEN)])
SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))


def test_verdict_is_cross_entropy_and_accuracy_by_id() -> None:
    logits = np.array([[2, 0], [0, 1], [3, 1]], np.float32)
    scores = Scores(("a", "b", "c"), logits, CLASSES)
    loss, share = loss_and_accuracy(scores, {"c": 1, "a": 0, "b": 1}, "cross_entropy")
    powers = np.exp(logits.astype(np.float64))
    shares = powers / powers.sum(1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[[0, 1, 2], [0, 1, 1]]).mean(), rel=1e-6)
    assert share == pytest.approx(2 / 3)
    with pytest.raises(RefusedInput, match="LABEL_RANGE"):
        loss_and_accuracy(scores, {"a": 0, "b": 0, "c": 2}, "mse")


def test_a_graph_network_is_validated_by_its_own_scores_and_learns_the_same() -> None:
    records: list[EpochRecord] = []
    settings = {"config": SMALL_GCN, "schedule": QUICK, "seed": 0}
    net = gcn_trained(
        clips(), TRAIN, CLASSES, **settings, validation=UNSEEN, on_epoch=records.append
    )
    alone = gcn_trained({name: clips()[name] for name in TRAIN}, TRAIN, CLASSES, **settings)
    assert model_digest(net) == model_digest(alone)
    scores = score_gcn(net, clips(), tuple(UNSEEN))
    assert (records[-1].validation_loss, records[-1].validation_accuracy) == (
        loss_and_accuracy(scores, UNSEEN, SMALL_GCN.loss)
    )
    assert records[-1].validation_accuracy == float((scores.logits.argmax(1) == TRUTH).mean())


@pytest.mark.parametrize("mode", ["plain", "fixed", "end-to-end"])
def test_an_rgb_network_is_validated_by_its_own_scores_and_learns_the_same(
    mode: Mode, mosaics: MosaicCache
) -> None:
    gcn = gcn_trained(clips(), TRAIN, CLASSES, config=SMALL_GCN, schedule=SHORT, seed=0)
    given = {
        "plain": {},
        "fixed": {"weights": compute_weights(gcn, clips(), IDS)[0]},
        "end-to-end": {"clips": clips()},
    }[mode]
    inputs = given | ({"gcn": gcn} if mode == "end-to-end" else {})
    settings = {"config": ResNetConfig(flip=0.5), "seed": 0, "device": "cpu"}
    records: list[EpochRecord] = []
    net = resnet_trained(
        mode, mosaics, TRAIN, CLASSES, **inputs, **settings, schedule=SHORT, validation=UNSEEN,
        on_epoch=records.append,
    )  # fmt: skip
    alone = resnet_trained(mode, mosaics, TRAIN, CLASSES, **inputs, **settings, schedule=SHORT)
    assert model_digest(net) == model_digest(alone)
    scores = score_resnet(net, mosaics, tuple(UNSEEN), **given)
    assert records[-1].validation_loss == loss_and_accuracy(scores, UNSEEN, "cross_entropy")[0]
    assert records[-1].validation_accuracy == float((scores.logits.argmax(1) == TRUTH).mean())


def test_the_best_network_is_what_comes_back() -> None:
    records: list[EpochRecord] = []
    net = gcn_trained(
        clips(), TRAIN, CLASSES, config=SMALL_GCN, schedule=QUICK.replace(keep="best"), seed=0,
        validation=UNSEEN, on_epoch=records.append,
    )  # fmt: skip
    share = float((score_gcn(net, clips(), tuple(UNSEEN)).logits.argmax(1) == TRUTH).mean())
    assert share == max(record.validation_accuracy or 0.0 for record in records)
