"""A small run, written by the real writers: four classes, two people, a quarantined clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from assembled import assemble_mosaics

from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.scores import Scores, write_scores
from stroi.cache.skeletons import Clip, assemble_skeletons
from stroi.cache.weights import Weights, write_weights
from stroi.pipeline.index.ledger import ClipOutcome, write_ledger
from stroi.pipeline.index.table import Sample, write_index
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import build_table

HOSTILE = '<script>alert("x")</script>'
CLASSES = tuple(sorted((HOSTILE, "drink", "give", "wave")))
SEEDS = (0, 1)
SUBJECTS = ("s1", "s2", "s3", "s4")
STREAMS = ("gcn", "resnet-plain", "resnet-end-to-end", "resnet-fixed")

PROFILE = """\
seeds: [0, 1]
splits:
  xsub: {by: subject, test: [s3, s4]}
mosaics: {size: 50}
resnet: {start: /somewhere/secret/resnet18.safetensors}
ensemble:
  pairs:
    hands: [drink, wave]
"""

Wrong = dict[str, dict[str, str]]
"""Mistakes by stream: test clip to the class it is taken for."""


def clip_id(label: str, subject: str) -> str:
    """Sample id of the one clip of a class and subject."""
    return f"k{CLASSES.index(label)}_{subject}"


IDS = tuple(sorted(clip_id(label, subject) for label in CLASSES for subject in SUBJECTS))
TEST = tuple(name for name in IDS if name[-2:] in ("s3", "s4"))


def label_of(name: str) -> str:
    """Class name of a clip."""
    return CLASSES[int(name[1])]


def persons_of(name: str) -> int:
    """People in a clip: ``give`` needs two."""
    return 2 if label_of(name) == "give" else 1


def write_workspace(root: Path) -> Workspace:
    """Write a finished run called ``small-xsub`` below `root`."""
    workspace = Workspace(root)
    (root / "profiles").mkdir(exist_ok=True)
    (root / "profiles" / "small.yaml").write_text(PROFILE)
    (root / "params.yaml").write_text(
        "datasets: [small]\nruns:\n  small-xsub: {dataset: small, split: xsub, input: skeletons}\n"
    )
    _write_index(workspace)
    _write_skeletons(workspace.skeletons("small"))
    write_mosaics(workspace.mosaics("small"))
    _write_networks(workspace)
    for seed in SEEDS:
        write_weights(
            workspace.run("small-xsub", "weights") / f"seed-{seed}",
            weights(seed),
            params={},
            producer={"checkpoint": f"{seed}d" * 32},
        )
    build_table(workspace, load_run(workspace.root, "small-xsub"))
    return workspace


def _write_index(workspace: Workspace) -> None:
    samples = [
        Sample(name, f"{name}.avi", label_of(name), name[-2:], "c1", bytes=1, sha256=f"{at:064x}")
        for at, name in enumerate(IDS)
    ]
    samples.append(Sample("lost", "lost.avi", "drink", "s1", "c1", bytes=1, sha256="f" * 64))
    folder = workspace.index("small")
    write_index(folder, samples)
    write_ledger(folder, [ClipOutcome(sample.id) for sample in samples])


def _write_skeletons(folder: Path) -> None:
    rng = np.random.default_rng(1)
    clips = []
    for name in IDS:
        keypoints = rng.uniform(1, 60, (6, 2, 25, 3)).astype(np.float32)
        keypoints[:, persons_of(name) :] = 0
        clips.append(Clip(keypoints, persons_of(name), 64, 64, 25.0))
    encoded = assemble_skeletons(IDS, clips)
    lost = ClipOutcome("lost", "VIDEO_OPEN", "cannot read <b>any</b> frame")
    write_ledger(folder, [lost, *(ClipOutcome(name) for name in IDS)])
    publish(
        folder,
        "skeletons",
        encoded.data,
        encoded.sample_sha256,
        {"model": "ab" * 32},
    )


def write_mosaics(folder: Path, lost: Sequence[str] = ()) -> None:
    """Write the mosaics of all clips that are not `lost`."""
    rng = np.random.default_rng(2)
    ids = tuple(name for name in IDS if name not in lost)
    count = np.array([persons_of(name) for name in ids], np.int8)
    valid = np.arange(2)[None, :, None, None] < count[:, None, None, None]
    valid = np.repeat(np.repeat(valid, 5, axis=2), 5, axis=3)
    # The head of the first clip of the test part is missing in two of five frames.
    if TEST[0] in ids:
        valid[ids.index(TEST[0]), 0, :2, 0] = False
    mosaics = Mosaics(
        ids=ids,
        mosaic=rng.integers(0, 256, (len(ids), 50, 50, 3), np.uint8),
        person_count=count,
        frame_index=np.tile(np.arange(5, dtype=np.int32), (len(ids), 1)),
        box=np.zeros((len(ids), 2, 5, 5, 4), np.float32),
        confidence=np.ones((len(ids), 2, 5, 5), np.float32),
        valid=valid,
    )
    gone = [ClipOutcome(name, "NO_CROP", "nothing to cut") for name in lost]
    write_ledger(folder, [*gone, *(ClipOutcome(name) for name in ids)])
    publish(
        folder,
        "mosaics",
        assemble_mosaics([mosaics]).data,
        assemble_mosaics([mosaics]).sample_sha256,
        {"opencv": "4"},
        ids,
    )


def publish(
    folder: Path,
    kind: str,
    data: bytes,
    digests: Sequence[str],
    producer: dict[str, str],
    ids: Sequence[str] = IDS,
) -> None:
    """Write one shard of all clips and its manifest into a folder that has its ledger."""
    name = f"{kind}-00000.h5"
    (folder / name).write_bytes(data)
    ledger = file_entry("ledger.csv", (folder / "ledger.csv").read_bytes())
    entry = file_entry(name, data, ids, digests)
    files = tuple(sorted((ledger, entry), key=lambda each: each.name))
    write_manifest(folder, Manifest(kind, {"size": 50}, producer, files))


def lose(workspace: Workspace, lost: Sequence[str], streams: Sequence[str] = STREAMS[1:]) -> None:
    """Let the score folders of some networks list clips as not scored, as their mosaics are lost.

    The stages write no scores of such clips; here they are there, and must not count.
    """
    for stream in streams:
        for seed in SEEDS:
            folder = workspace.run("small-xsub", stream) / f"seed-{seed}" / "scores"
            manifest = read_manifest(folder)
            producer = manifest.producer | {"left_out": list(lost)}
            write_manifest(folder, replace(manifest, producer=producer))


def _write_networks(workspace: Workspace) -> None:
    wrong: Wrong = {
        # Row 1 takes both test clips of drink for wave, and one of wave for drink.
        "gcn": {"k1_s3": "wave", "k1_s4": "wave", "k3_s3": "drink"},
        "resnet-plain": {"k2_s3": HOSTILE, "k2_s4": HOSTILE, "k0_s3": "give", "k0_s4": "give"},
        "resnet-end-to-end": {"k2_s3": HOSTILE},
        "resnet-fixed": {"k2_s3": HOSTILE, "k1_s3": "wave"},
    }
    for seed in SEEDS:
        for stream in STREAMS:
            folder = workspace.run("small-xsub", stream) / f"seed-{seed}"
            write_scores(
                folder / "scores",
                "test",
                _scores(wrong[stream], certainty=1.0 if stream == "gcn" else 1.5),
                params=network_params(workspace, stream),
                producer={"checkpoint": f"{seed}c" * 32},
            )
            (folder / "curve.csv").write_text(
                "epoch,loss,accuracy,lr\n0,1.5,0.25,0.1\n1,0.5,0.75,0.01\n"
            )


def network_params(workspace: Workspace, stream: str) -> dict[str, Any]:
    """Params of the networks of a stream, as the stage that trains them records them."""
    profile = load_run(workspace.root, "small-xsub").profile
    network = profile.gcn if stream == "gcn" else profile.resnet
    return network.model_dump(mode="json")


def _scores(wrong: dict[str, str], certainty: float) -> Scores:
    logits = np.zeros((len(TEST), len(CLASSES)), np.float32)
    for at, name in enumerate(TEST):
        logits[at, CLASSES.index(wrong.get(name, label_of(name)))] = certainty
    return Scores(TEST, logits, CLASSES)


def weights(seed: int) -> Weights:
    """Weights of every clip; absent persons have joint weights 0 and row weights 1."""
    rng = np.random.default_rng(seed)
    joint = rng.uniform(0.5, 2, (len(IDS), 2, 25)).astype(np.float32)
    row = rng.uniform(0.5, 1.5, (len(IDS), 2, 5))
    row /= row.mean(axis=2, keepdims=True)
    for at, name in enumerate(IDS):
        joint[at, persons_of(name) :] = 0
        row[at, persons_of(name) :] = 1
    return Weights(IDS, joint, row.astype(np.float32))
