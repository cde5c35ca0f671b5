"""One rule for row weights where graph network and mosaic count different people.

An absent body has the weights of the first one that is there; a mosaic of one person is weighed
as a whole by the first one's. It holds in fixed mode, in end-to-end mode, and in networks exported
from either.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from assembled import assemble_mosaics
from numpy.typing import NDArray
from small_inputs import CELL, CLASSES, SMALL_GCN, clip

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.cache.rois import row_joints
from stroi.cache.skeletons import Clip
from stroi.trainer.config import PersonPooling, ResNetConfig, WeightSettings
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.export_module import WeightRule, export_module
from stroi.trainer.score_gcn import compute_weights
from stroi.trainer.score_resnet import score_resnet

SEEN = {"first": (True, False), "second": (False, True), "both": (True, True)}
CASES = list(product((1, 2), SEEN))
IDS = tuple(f"{seen}-{shown}" for shown, seen in CASES)
ROWS = [joint for (joint,) in row_joints()]


def _clip(seen: str) -> Clip:
    """The same two people; the graph network gets those of them that were seen."""
    whole = clip(4, persons=2)
    keypoints = whole.keypoints.copy()
    keypoints[:, ~np.array(SEEN[seen])] = 0
    return replace(whole, keypoints=keypoints)


CLIPS = {sample: _clip(seen) for sample, (_, seen) in zip(IDS, CASES, strict=True)}
PERSONS = np.array([shown for shown, _ in CASES], np.int8)


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    """One and the same noise for every case."""
    folder, count = tmp_path_factory.mktemp("mosaics"), len(IDS)
    order = np.argsort(IDS)
    picture = np.random.default_rng(0).integers(0, 256, (5 * CELL, 5 * CELL, 3), np.uint8)
    shard = Mosaics(
        ids=tuple(sorted(IDS)),
        mosaic=np.tile(picture, (count, 1, 1, 1)),
        person_count=PERSONS[order],
        frame_index=np.tile(np.arange(5, dtype=np.int32), (count, 1)),
        box=np.zeros((count, 2, 5, 5, 4), np.float32),
        confidence=np.ones((count, 2, 5, 5), np.float32),
        valid=np.ones((count, 2, 5, 5), np.bool_),
    )
    encoded = assemble_mosaics([shard])
    write_atomic(folder / "mosaics-00000.h5", encoded.data)
    entry = file_entry("mosaics-00000.h5", encoded.data, shard.ids, encoded.sample_sha256)
    write_manifest(folder, Manifest("mosaics", {}, {}, (entry,)))
    return MosaicCache(folder)


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    torch.manual_seed(3)
    net = GraphNet(CLASSES, SMALL_GCN)
    data = prepare_all(CLIPS, IDS, **SMALL_GCN.preparation)
    with torch.no_grad():
        for _ in range(5):
            net.train()(torch.from_numpy(data.x), torch.from_numpy(data.present))
    return net.eval()


def _by_rule(joint: NDArray[np.float32], seen: str, pooling: PersonPooling) -> np.ndarray:
    """(2, K): the rule of docs/method.md for one clip's joint weights (2, V), for reading."""
    present = SEEN[seen]
    if seen != "both":
        body = joint[present.index(True)]
        parts = [body, body]
    elif pooling == "per_person":
        parts = [joint[0], joint[1]]
    elif pooling == "mean":
        parts = [joint.mean(0)] * 2
    else:
        parts = [joint[joint.mean(1).argmax()]] * 2
    return np.array([part[ROWS] / part[ROWS].mean() for part in parts])


@pytest.mark.parametrize("pooling", ["strongest", "mean", "per_person"])
def test_every_mode_weighs_by_one_rule(
    mosaics: MosaicCache, gcn: GraphNet, pooling: PersonPooling
) -> None:
    settings = WeightSettings(person_pooling=pooling)
    weights, _ = compute_weights(gcn, CLIPS, IDS, settings=settings)
    place = {sample: row for row, sample in enumerate(weights.ids)}
    wanted = np.array(
        [
            _by_rule(weights.joint_weights[place[sample]], seen, pooling)
            for sample, (_, seen) in zip(IDS, CASES, strict=True)
        ]
    )
    fixed = row_weights_of(weights, IDS)
    np.testing.assert_allclose(fixed, wanted, rtol=1e-5)

    cells = cell_grid(mosaics)
    torch.manual_seed(4)
    net = WeightedMosaicNet(
        CLASSES, cells, ResNetConfig(person_pooling=pooling), mode="fixed"
    ).eval()
    joint = WeightedMosaicNet(
        CLASSES,
        cells,
        ResNetConfig(person_pooling=pooling),
        mode="end-to-end",
        gcn=copy.deepcopy(gcn),
    )
    joint.resnet.load_state_dict(net.resnet.state_dict())
    joint.eval()
    data = prepare_all(CLIPS, IDS, **SMALL_GCN.preparation)
    order = [data.ids.index(sample) for sample in IDS]
    inputs = {
        "mosaics": torch.from_numpy(mosaics.batch(IDS)),
        "skeletons": torch.from_numpy(data.x[order]),
        "present": torch.from_numpy(data.present[order]),
        "persons": torch.from_numpy(PERSONS.astype(np.int64)),
    }
    rule = WeightRule("mean", pooling, None)
    exported = {
        "fixed": export_module(net, gcn=gcn, rule=rule),
        "end-to-end": export_module(joint),
    }
    with torch.no_grad():
        found = {mode: graph(**inputs) for mode, graph in exported.items()}
    for _, inside, _ in found.values():
        np.testing.assert_allclose(inside.numpy(), wanted, rtol=1e-4)

    scores = {
        "fixed": score_resnet(net, mosaics, IDS, weights=weights),
        "end-to-end": score_resnet(joint, mosaics, IDS, clips=CLIPS),
    }
    for mode, each in scores.items():
        ordered = each.logits[[each.ids.index(sample) for sample in IDS]]
        np.testing.assert_allclose(ordered, found[mode][0].numpy(), rtol=0, atol=1e-4)
        np.testing.assert_allclose(each.logits, scores["fixed"].logits, rtol=0, atol=1e-4)


def test_what_is_seen_of_one_body_does_not_depend_on_how_many_are_shown(
    mosaics: MosaicCache, gcn: GraphNet
) -> None:
    """Equal weights in, equal weights out."""
    settings = WeightSettings(person_pooling="per_person")
    weights, _ = compute_weights(gcn, CLIPS, IDS, settings=settings)
    rows = row_weights_of(weights, IDS)
    for sample, (_, seen) in zip(IDS, CASES, strict=True):
        if seen != "both":
            row = rows[IDS.index(sample)]
            np.testing.assert_array_equal(row[0], row[1])
            np.testing.assert_array_equal(row, rows[IDS.index(f"{seen}-1")])
