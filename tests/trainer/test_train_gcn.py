"""The skeleton branch as a whole: learns, repeats, resumes, weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clip, clips
from trainings import gcn_trained

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.scores import Scores
from stroi.cache.skeletons import Clip
from stroi.cache.weights import Weights, read_weights, write_weights
from stroi.trainer import score_gcn as scoring
from stroi.trainer.config import Schedule
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.models import body_passes
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import load_gcn, save_gcn
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights, score_gcn


def _train(
    state: Path | None = None,
    schedule: Schedule = QUICK,
    seed: int = 0,
    labels: Mapping[str, int] = LABELS,
    **settings: object,
) -> GraphNet:
    config = SMALL_GCN.replace(**settings)
    return gcn_trained(
        clips(), labels, CLASSES, config=config, schedule=schedule, seed=seed, checkpoints=state,
        save_every=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def net() -> GraphNet:
    return _train()


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_learns_eight_clips_by_heart(loss: str) -> None:
    schedule = Schedule(epochs=30, batch_size=8, lr=0.1, milestones=(25,))
    net = _train(schedule=schedule, loss=loss, dropout=0.0, normalisation="stgcn")
    scores = score_gcn(net, clips(), IDS)
    assert accuracy(scores.logits, np.array([LABELS[name] for name in scores.ids])) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bits_other_seed_other_bits(precision: str) -> None:
    first = model_digest(_train(precision=precision))
    assert first == model_digest(_train(precision=precision))
    assert first != model_digest(_train(precision=precision, seed=1))


def test_order_of_the_labels_does_not_matter(net: GraphNet) -> None:
    turned = _train(labels=dict(reversed(LABELS.items())))
    assert model_digest(turned) == model_digest(net)


def test_resumed_across_a_milestone_equals_uninterrupted(tmp_path: Path, net: GraphNet) -> None:
    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        if record.epoch == 0:
            raise Stop

    with pytest.raises(Stop):
        gcn_trained(
            clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, checkpoints=tmp_path,
            save_every=1, on_epoch=stop,
        )  # fmt: skip
    assert len(list(tmp_path.iterdir())) == 1
    assert model_digest(_train(tmp_path)) == model_digest(net)


def test_other_input_or_settings_are_another_training(tmp_path: Path) -> None:
    _train(tmp_path)
    _train(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    _train(tmp_path, dropout=0.25)
    _train(tmp_path, labels={**LABELS, "clip0": 1})
    _train(tmp_path, labels={name: LABELS[name] for name in IDS[:6]})
    _train(tmp_path, schedule=QUICK.replace(lr=0.01))
    assert len(list(tmp_path.iterdir())) == 5


def test_only_the_clips_of_the_labels_are_touched() -> None:
    given = {name: clips()[name] for name in IDS[:4]}
    labels = {name: LABELS[name] for name in IDS[:4]}
    gcn_trained(given, labels, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0)


def test_labels_out_of_range_are_named() -> None:
    with pytest.raises(RefusedInput, match="LABEL_RANGE: sample 'clip1' has label 2, there are 2"):
        _train(labels={**LABELS, "clip1": 2})


def test_a_clip_of_nobody_is_named() -> None:
    empty = Clip(np.zeros((5, 2, 25, 3), np.float32), 1, 320, 240, 25.0)
    with pytest.raises(StroiError, match="CLIP_EMPTY: clip clip3"):
        gcn_trained(
            {**clips(), "clip3": empty}, LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0
        )


def test_unknown_device_is_named() -> None:
    for device in ("tpu", "cuda:99", "cuda:x"):
        with pytest.raises(ParamsError, match=f"DEVICE: there is no device '{device}'"):
            gcn_trained(
                clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0, device=device
            )


def test_scoring_and_weighing_leave_the_network_as_it_was(net: GraphNet) -> None:
    net.train()
    before = model_digest(net)
    score_gcn(net, clips(), IDS)
    compute_weights(net, clips(), IDS)[0]
    assert model_digest(net) == before
    assert net.training
    net.eval()


def test_scores_are_sorted_and_independent_of_order(net: GraphNet) -> None:
    scores = score_gcn(net, clips(), IDS[::-1])
    assert scores.ids == IDS
    assert scores.classes == CLASSES
    np.testing.assert_array_equal(scores.logits, score_gcn(net, clips(), IDS).logits)


@pytest.fixture(scope="module")
def together(net: GraphNet) -> tuple[Weights, Scores]:
    """Weights and scores of all clips at once."""
    return compute_weights(net, clips(), IDS)[0], score_gcn(net, clips(), IDS)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(IDS), size=st.integers(1, 8), mates=st.floats(0.01, 100))
def test_batch_mates_and_order_change_no_bit_of_weights_and_scores(
    net: GraphNet, together: tuple[Weights, Scores], order: list[str], size: int, mates: float
) -> None:
    whole, scores = together
    first, *others = order[:size]
    changed = clips()
    for name in others:
        changed[name] = replace(changed[name], keypoints=changed[name].keypoints * mates)
    part, part_scores = (
        compute_weights(net, changed, order[:size])[0],
        score_gcn(net, changed, [first]),
    )
    row, place = whole.ids.index(first), part.ids.index(first)
    np.testing.assert_array_equal(part.joint_weights[place], whole.joint_weights[row])
    np.testing.assert_array_equal(part.row_weights[place], whole.row_weights[row])
    np.testing.assert_array_equal(part_scores.logits[0], scores.logits[row])


def test_clips_prepared_at_a_time_change_no_bit(
    net: GraphNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compute_weights(net, clips(), IDS)[0]
    monkeypatch.setattr(scoring, "CLIPS_PER_CHUNK", 3)
    np.testing.assert_array_equal(
        compute_weights(net, clips(), IDS)[0].joint_weights, whole.joint_weights
    )


def test_bodies_of_a_pass_and_threads_change_the_last_bits_only(
    net: GraphNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compute_weights(net, clips(), IDS)[0]
    threads = compute_weights(net, clips(), IDS, threads=2)[0]
    np.testing.assert_allclose(threads.row_weights, whole.row_weights, rtol=1e-6, atol=1e-6)
    monkeypatch.setattr(body_passes, "BODIES_PER_PASS", 3)
    part = compute_weights(net, clips(), IDS)[0]
    np.testing.assert_allclose(part.row_weights, whole.row_weights, rtol=1e-6, atol=1e-6)


def test_scores_are_those_of_the_network(net: GraphNet) -> None:
    from stroi.trainer.data.skeleton_input import prepare_all

    data = prepare_all(clips(), IDS, **net.config.preparation)
    with torch.no_grad():
        logits, _ = net.eval()(torch.from_numpy(data.x), torch.from_numpy(data.present))
    np.testing.assert_allclose(score_gcn(net, clips(), IDS).logits, logits, rtol=1e-5, atol=1e-6)


def test_weights_by_the_training_clips(net: GraphNet) -> None:
    """All rows share one divisor, which only the training clips decide."""
    own = compute_weights(net, clips(), IDS)[0]
    got, weight_scale = compute_weights(net, clips(), IDS, training=IDS[:5])
    alone = np.array([clips()[name].person_count == 1 for name in IDS])
    divisors = own.joint_weights[alone, 0][:, [0, 4, 7, 11, 14]] / got.row_weights[alone, 0]
    np.testing.assert_allclose(divisors, weight_scale, rtol=1e-5)
    louder = clips() | {IDS[7]: clip(99)}
    again = compute_weights(net, louder, IDS, training=IDS[:5])[0]
    np.testing.assert_array_equal(again.row_weights[:7], got.row_weights[:7])
    assert not np.array_equal(again.row_weights[7], got.row_weights[7])
    with pytest.raises(RefusedInput, match="ID_UNKNOWN: training clip 'clip7' is not among"):
        compute_weights(net, clips(), IDS[:7], training=IDS)


def test_weights_in_bf16_agree_to_two_digits(net: GraphNet) -> None:
    exact = compute_weights(net, clips(), IDS)[0]
    rough = compute_weights(net, clips(), IDS, precision="bf16")[0]
    assert rough.joint_weights.dtype == np.float32
    assert not np.array_equal(rough.joint_weights, exact.joint_weights)
    np.testing.assert_allclose(rough.row_weights, exact.row_weights, atol=0.02)


def test_weights_file_has_the_other_s_rows_for_the_absent_and_mean_one_for_all(
    net: GraphNet, tmp_path: Path
) -> None:
    weights = compute_weights(net, clips(), IDS)[0]
    alone = np.array([clips()[name].person_count == 1 for name in IDS])
    np.testing.assert_array_equal(weights.row_weights[alone, 0], weights.row_weights[alone, 1])
    assert (weights.joint_weights[alone, 1] == 0).all()
    assert (weights.joint_weights[:, 0] > 0).any()
    np.testing.assert_allclose(weights.row_weights.mean(2), 1, rtol=1e-5)
    np.testing.assert_array_equal(weights.row_weights[~alone, 0], weights.row_weights[~alone, 1])
    write_weights(tmp_path, weights, params={}, producer={})
    np.testing.assert_array_equal(read_weights(tmp_path).row_weights, weights.row_weights)


def test_weights_against_the_feature_in_numpy(net: GraphNet) -> None:
    from stroi.trainer.data.skeleton_input import prepare_all

    weights = compute_weights(net, clips(), IDS)[0]
    data = prepare_all(clips(), IDS, frames=12)
    with torch.no_grad():
        _, feature = net.eval()(torch.from_numpy(data.x), torch.from_numpy(data.present))
    joint = np.sqrt(np.square(feature.numpy())).mean((2, 3))
    np.testing.assert_allclose(weights.joint_weights, joint, rtol=1e-5, atol=1e-6)
    for n in range(len(IDS)):
        strongest = max((0, 1), key=lambda m: joint[n, m].mean())
        rows = joint[n, strongest, [0, 4, 7, 11, 14]]
        np.testing.assert_allclose(weights.row_weights[n, 0], rows / rows.mean(), rtol=1e-4)


def test_one_frame_is_a_clip(net: GraphNet) -> None:
    weights = compute_weights(net, {"a": clip(0, frames=1)}, ["a"])[0]
    assert np.isfinite(weights.row_weights).all()


def test_checkpoint_brings_the_same_network_back(net: GraphNet, tmp_path: Path) -> None:
    path, again = tmp_path / "gcn.safetensors", tmp_path / "again.safetensors"
    save_gcn(path, net)
    loaded = load_gcn(path)
    assert (loaded.classes, loaded.config, loaded.layout) == (net.classes, net.config, net.layout)
    assert model_digest(loaded) == model_digest(net)
    np.testing.assert_array_equal(
        score_gcn(loaded, clips(), IDS).logits, score_gcn(net, clips(), IDS).logits
    )
    save_gcn(again, loaded)
    assert again.read_bytes() == path.read_bytes()
