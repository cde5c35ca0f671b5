"""Exported graphs compute what the trainer computes: 50 clips, all modes, any number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from assembled import assemble_mosaics
from small_inputs import CLASSES, SMALL_GCN, clip

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.cache.weights import Weights
from stroi.trainer.config import GcnConfig, Mode, ResNetConfig, WeightSettings
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files import export_onnx as export
from stroi.trainer.network_files.export_module import (
    ExportModule,
    WeightRule,
    export_module,
    run_all_persons,
)
from stroi.trainer.score_gcn import compute_weights, score_gcn
from stroi.trainer.score_resnet import score_resnet

IDS = tuple(f"clip{number:02d}" for number in range(50))
CLIPS = {name: clip(n, persons=1 + (n % 3 == 0), label=n % 2) for n, name in enumerate(IDS)}
REFINED = SMALL_GCN.replace(
    model="ctrgcn", channels=(8, 8, 16), stream="bone_motion", centre="frame"
)
ABSOLUTE = 1e-4


def _cache(folder: Path, cell: int) -> MosaicCache:
    """50 mosaics of noise, with a joint missing here and there."""
    random = np.random.default_rng(0)
    count = len(IDS)
    shards = Mosaics(
        ids=IDS,
        mosaic=random.integers(0, 256, (count, 5 * cell, 5 * cell, 3), np.uint8),
        person_count=np.array([each.person_count for each in CLIPS.values()], np.int8),
        frame_index=np.tile(np.arange(5, dtype=np.int32), (count, 1)),
        box=np.zeros((count, 2, 5, 5, 4), np.float32),
        confidence=np.ones((count, 2, 5, 5), np.float32),
        valid=random.random((count, 2, 5, 5)) < 0.9,
    )
    encoded = assemble_mosaics([shards])
    write_atomic(folder / "mosaics-00000.h5", encoded.data)
    entry = file_entry("mosaics-00000.h5", encoded.data, IDS, encoded.sample_sha256)
    write_manifest(folder, Manifest("mosaics", {}, {}, (entry,)))
    return MosaicCache(folder)


def _gcn(config: GcnConfig) -> GraphNet:
    """A graph network that has seen clips: its normalisation is not the identity."""
    torch.manual_seed(3)
    gcn = GraphNet(CLASSES, config, prepare_all(CLIPS, IDS[:1], **config.preparation).layout)
    data = prepare_all(CLIPS, IDS, **config.preparation)
    with torch.no_grad():
        for _ in range(5):
            gcn.train()(torch.from_numpy(data.x), torch.from_numpy(data.present))
    return gcn.eval()


def _net(
    cache: MosaicCache, mode: Mode, config: ResNetConfig, gcn: GraphNet | None = None
) -> WeightedMosaicNet:
    """An RGB branch that has seen mosaics."""
    torch.manual_seed(4)
    net = WeightedMosaicNet(CLASSES, cell_grid(cache), config, mode=mode, gcn=gcn)
    batch = torch.from_numpy(cache.batch(IDS[:8]))
    with torch.no_grad():
        for _ in range(3):
            net.train()(batch)
    return net.eval()


@dataclass(frozen=True)
class Case:
    """One exported network.

    Attributes:
        graph: What was exported.
        file: The ONNX file's bytes.
        inputs: Of all 50 clips, by name.
        wanted: (50, C) logits of the trainer, and of its skeleton branch.
    """

    graph: ExportModule
    file: bytes
    inputs: dict[str, np.ndarray]
    wanted: tuple[np.ndarray, ...]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("plain", marks=pytest.mark.nightly),
        "fixed",
        "end-to-end",
        pytest.param("fixed gcn", marks=pytest.mark.nightly),
        pytest.param("end-to-end ctrgcn", marks=pytest.mark.nightly),
    ],
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Small mosaics in every mode, with settings that are not the default."""
    mode, _, extra = request.param.partition(" ")
    cache = _cache(tmp_path_factory.mktemp("mosaics"), 8)
    gcn = None if mode == "plain" else _gcn(REFINED if extra == "ctrgcn" else SMALL_GCN)
    config = {
        "plain": ResNetConfig(missing="zero"),
        "fixed": ResNetConfig(missing="zero", weight_position="before"),
        "end-to-end": ResNetConfig(
            person_pooling="per_person", formula="l2_top15", weight_scale=0.3
        ),
    }[mode]
    net = _net(cache, mode, config, gcn if mode == "end-to-end" else None)
    weights, inner = None, {}
    if gcn is not None and mode == "fixed":
        weights, constant = compute_weights(
            gcn, CLIPS, IDS, settings=WeightSettings(person_pooling="mean"), training=IDS[:9]
        )
        if extra:
            how = WeightRule("mean", "mean", constant)
            inner = {"gcn": gcn, "rule": how}
    graph = export_module(net, **inner)
    skeletons = CLIPS if mode == "end-to-end" else None
    wanted = [score_resnet(net, cache, IDS, weights=weights, clips=skeletons).logits]
    if gcn is not None and (mode == "end-to-end" or extra):
        wanted.append(score_gcn(gcn, CLIPS, IDS).logits)
    inputs = _inputs(cache, weights, gcn)
    given = {port.name: inputs[port.name] for port in graph.inputs}
    return Case(graph, export.export_bytes(graph, {}), given, tuple(wanted))


def _inputs(
    cache: MosaicCache, weights: Weights | None, gcn: GraphNet | None
) -> dict[str, np.ndarray]:
    persons = cache.person_count(IDS)
    found = {"mosaics": cache.batch(IDS), "cell_valid": cache.valid(IDS)}
    found["persons"] = persons.astype(np.int64)
    if weights is not None:
        found["weights"] = row_weights_of(weights, IDS)
    if gcn is not None:
        data = prepare_all(CLIPS, IDS, **gcn.config.preparation)
        found |= {"skeletons": data.x, "present": data.present}
    return found


def _run(file: bytes, inputs: dict[str, np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    for start in range(0, len(IDS), size):
        yield session.run(None, {name: x[start : start + size] for name, x in inputs.items()})


@pytest.mark.parametrize("size", [1, 7, 50])
def test_scores_are_the_trainers(case: Case, size: int) -> None:
    found = [np.concatenate(each) for each in zip(*_run(case.file, case.inputs, size), strict=True)]
    assert [each.shape[1:] for each in found] == [port.shape for port in case.graph.outputs]
    np.testing.assert_allclose(found[0], case.wanted[0], rtol=0, atol=ABSOLUTE)
    if len(case.wanted) > 1:
        np.testing.assert_allclose(found[2], case.wanted[1], rtol=0, atol=ABSOLUTE)
    # Not all alike, or equality would mean little.
    assert np.ptp(case.wanted[0], axis=0).min() > 0.01


@pytest.mark.nightly
@pytest.mark.slow
def test_scores_of_resnet18_at_its_real_size_are_the_trainers(tmp_path: Path) -> None:
    cache = _cache(tmp_path, 45)
    rows = np.random.default_rng(1).uniform(0, 2, (50, 2, 5)).astype(np.float32)
    weights = Weights(IDS, np.ones((50, 2, 25), np.float32), rows)
    net = _net(cache, "fixed", ResNetConfig())
    wanted = score_resnet(net, cache, IDS, weights=weights).logits
    file = export.export_bytes(export_module(net), {})
    inputs = _inputs(cache, weights, None)
    given = {name: inputs[name] for name in ("mosaics", "persons", "weights")}
    found = np.concatenate([each[0] for each in _run(file, given, 7)])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=ABSOLUTE)
    assert np.ptp(wanted, axis=0).min() > 0.1


@pytest.mark.parametrize(
    ("mode", "config"),
    [
        pytest.param("plain", ResNetConfig(model="efficientnet_lite0"), marks=pytest.mark.nightly),
        pytest.param(
            "fixed",
            ResNetConfig(model="efficientnet_lite0", images="cells", missing="zero"),
            marks=pytest.mark.nightly,
        ),
        pytest.param("end-to-end", ResNetConfig(images="cells"), marks=pytest.mark.nightly),
    ],
    ids=["efficientnet", "efficientnet by cells", "resnet by cells"],
)
def test_scores_of_other_image_networks_are_the_trainers(
    tmp_path: Path, mode: Mode, config: ResNetConfig
) -> None:
    cache = _cache(tmp_path, 8)
    gcn = _gcn(SMALL_GCN) if mode == "end-to-end" else None
    rows = np.random.default_rng(1).uniform(0, 2, (50, 2, 5)).astype(np.float32)
    weights = Weights(IDS, np.ones((50, 2, 25), np.float32), rows) if mode == "fixed" else None
    net = _net(cache, mode, config, gcn)
    wanted = score_resnet(net, cache, IDS, weights=weights, clips=CLIPS if gcn else None).logits
    graph = export_module(net)
    inputs = _inputs(cache, weights, gcn)
    given = {port.name: inputs[port.name] for port in graph.inputs}
    found = np.concatenate([each[0] for each in _run(export.export_bytes(graph, {}), given, 7)])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=ABSOLUTE)
    assert np.ptp(wanted, axis=0).min() > 0.01


@pytest.mark.parametrize("formula", ["mean", "l2_top15"])
@pytest.mark.parametrize(
    "config",
    [SMALL_GCN, SMALL_GCN.replace(stream="bone", centre="frame"), REFINED],
    ids=["stgcn", "stgcn bones", "ctrgcn"],
)
def test_absent_persons_go_through_and_change_nothing(config: GcnConfig, formula: str) -> None:
    gcn = _gcn(config)
    data = prepare_all(CLIPS, IDS, **config.preparation)
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    present[1] = torch.tensor([False, True])
    with torch.no_grad():
        logits, feature = gcn(x, present)
        got = run_all_persons(gcn, x, present, formula)
    torch.testing.assert_close(got[0], logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        got[1], joint_weights(feature, formula=formula), rtol=1e-5, atol=1e-5
    )
    assert not got[1][~present].any()


def test_a_file_that_computes_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = _net(_cache(tmp_path, 8), "plain", ResNetConfig())

    def off(data: bytes, inputs: dict[str, torch.Tensor]) -> list[np.ndarray]:
        with torch.no_grad():
            return [value.numpy() + 2e-3 for value in export_module(net)(**inputs)]

    monkeypatch.setattr(export, "_run", off)
    with pytest.raises(
        StroiError, match=r"EXPORT_DIFFERS: the exported logits differ from the network's by 0.002"
    ):
        export.check(b"", export_module(net))


def test_a_graph_network_goes_with_its_rule_to_fixed_mode(tmp_path: Path) -> None:
    net = _net(_cache(tmp_path, 8), "plain", ResNetConfig())
    how = WeightRule("mean", "mean", None)
    with pytest.raises(ValueError, match="plain mode"):
        export_module(net, gcn=_gcn(SMALL_GCN), rule=how)
    with pytest.raises(ValueError, match="plain mode"):
        export_module(net, rule=how)


def test_a_network_that_resizes_cells_is_refused(tmp_path: Path) -> None:
    net = _net(_cache(tmp_path, 8), "plain", ResNetConfig(cell=8))
    with pytest.raises(ParamsError, match=r"EXPORT_CELL: .* every cell to 8 px .*resnet\.cell"):
        export_module(net)
