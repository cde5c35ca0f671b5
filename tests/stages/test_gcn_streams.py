"""Stage gcn with several streams: a network each, one score file, the first one's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from small_inputs import IDS, clips

from stroi.cache.files.digests import sha256_file
from stroi.cache.scores import read_scores
from stroi.cache.skeletons import Clip
from stroi.cache.verify import verify
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import (
    GcnParams,
    Profile,
    Run,
    Split,
    Validation,
)
from stroi.pipeline.workspace import Workspace
from stroi.stages.gcn import train_seed
from stroi.stages.training.configs import Resources
from stroi.stages.training.outputs import TEST, VALIDATION, checkpoint, scores_folder, seed_folder
from stroi.trainer.config import Schedule, SkeletonAugment
from stroi.trainer.network_files.network_file import load_gcn
from stroi.trainer.score_gcn import score_gcn

QUICK = Schedule(epochs=1, batch_size=4, lr=0.05)


class Clips(dict[str, Clip]):
    """Clips as a cache gives them."""

    ids = IDS


def params(**changes: object) -> GcnParams:
    return GcnParams(
        frames=8, channels=(8, 8), strides=(1, 2), temporal_kernel=3, schedule=QUICK, **changes
    )


def train(folder: Path, gcn: GcnParams, held: Validation | None = None) -> Path:
    """The folder of one run's graph networks, seed 0."""
    samples = [
        Sample(name, f"{name}.avi", "kick" if n % 2 else "wave", "s1", "c1", split="ab"[n > 5])
        for n, name in enumerate(IDS)
    ]
    split = Split(by="split", train=("a",), test=("b",), validation=held)
    profile = Profile(splits={"only": split}, gcn=gcn)
    run = RunParams("r", Run(dataset="d", split="only", input="skeletons"), profile)
    workspace = Workspace(folder)
    index = Index(tuple(samples), ("kick", "wave"))
    train_seed(workspace, run, Clips(clips()), index, 0, Resources(1))
    return workspace.run("r", "gcn")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_streams_are_trained_kept_and_summed(tmp_path: Path) -> None:
    three = ("joint", "bone", "joint_motion")
    out = train(tmp_path, params(model="ctrgcn", streams=three, stream_weights=(1.0, 0.5, 0.0)))
    nets = [load_gcn(checkpoint(out, 0, name)) for name in ("", "bone", "joint_motion")]
    assert [(net.config.model, net.config.stream) for net in nets] == [
        ("ctrgcn", stream) for stream in three
    ]
    scores = read_scores(scores_folder(out, 0), TEST)
    assert scores.ids == IDS[6:]
    each = [score_gcn(net, clips(), scores.ids).logits for net in nets]
    np.testing.assert_allclose(scores.logits, each[0] + 0.5 * each[1], atol=1e-5)
    first = sha256_file(checkpoint(out, 0))
    train(tmp_path, params(model="ctrgcn", streams=("joint", "bone")))
    assert sorted(path.name for path in seed_folder(out, 0).iterdir()) == [
        "checkpoint-bone.safetensors", "checkpoint.safetensors", "curve-bone.csv", "curve.csv",
        "scores",
    ]  # fmt: skip
    assert sha256_file(checkpoint(out, 0)) == first


def test_draws_of_scoring_change_the_scores_and_no_training(tmp_path: Path) -> None:
    lively = SkeletonAugment(scale=0.2, time_warp=1.0)
    out = train(tmp_path, params(augment=lively))
    plain, network = read_scores(scores_folder(out, 0), TEST), checkpoint(out, 0).read_bytes()
    states = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training/*")}
    assert states
    train(tmp_path, params(augment=lively, tta_copies=3))
    assert checkpoint(out, 0).read_bytes() == network
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("training/*")} == states
    drawn = read_scores(scores_folder(out, 0), TEST)
    expected = score_gcn(load_gcn(checkpoint(out, 0)), clips(), drawn.ids, tta_copies=3)
    np.testing.assert_array_equal(drawn.logits, expected.logits)
    assert (drawn.logits != plain.logits).all()


def test_validation_clips_are_scored_too_and_forgotten_with_their_part(tmp_path: Path) -> None:
    held = Validation(by="id", values=IDS[:2])
    out = train(tmp_path, params(streams=("joint", "bone")), held)
    folder = scores_folder(out, 0)
    nets = [load_gcn(checkpoint(out, 0, name)) for name in ("", "bone")]
    found = read_scores(folder, VALIDATION)
    assert found.ids == IDS[:2]
    expected = sum(score_gcn(net, clips(), IDS[:2]).logits for net in nets)
    np.testing.assert_allclose(found.logits, expected, atol=1e-5)
    assert read_scores(folder, TEST).ids == IDS[6:]
    train(tmp_path, params(streams=("joint", "bone")))
    assert not (folder / f"{VALIDATION}.h5").exists()
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"streams": ("joint", "joint")}, "name each once"),
        ({"streams": ()}, "at least 1"),
        ({"streams": ("joint", "bone"), "stream_weights": (1.0,)}, "2 streams, 1 stream_weights"),
        ({"streams": ("joint", "bone"), "stream_weights": (0.0, 0.0)}, "all 0 leave no scores"),
        ({"model": "ctrgcn", "topologies": 3}, "multiples of 4 and of 3"),
        ({"tta_copies": 4}, "tta_copies: 4 without augment scores equal copies"),
    ],
)
def test_params_that_make_no_sense_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        params(**changes)


def test_defaults_are_the_papers_and_change_no_clip() -> None:
    assert (GcnParams().model, GcnParams().streams, GcnParams().align) == (
        "stgcn", ("joint",), "none",
    )  # fmt: skip
    assert GcnParams().augment == SkeletonAugment()
