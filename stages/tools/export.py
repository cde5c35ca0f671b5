"""Command ``export``: a run's trained network as one file that needs no stroi."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.manifest import Manifest, read_manifest, stroi_version
from stroi.cache.weights import WEIGHTS_NAME
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import WeightParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder
from stroi.trainer.config import Mode
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.export_module import (
    ExportModule,
    SkeletonExport,
    WeightRule,
    export_module,
)
from stroi.trainer.network_files.export_onnx import export_bytes, require_onnx
from stroi.trainer.network_files.network_file import load_gcn, load_resnet

SCHEMA = "1.0"


def export_run(
    workspace: Workspace,
    run: RunParams,
    mode: Mode,
    out: Path,
    *,
    seed: int,
    with_gcn: bool = False,
) -> Path:
    """Write one seed's network, then the JSON file that describes how to use it.

    Args:
        workspace: The project.
        run: The run.
        mode: Mode of the network.
        out: Folder for the two files; created if need be.
        seed: Seed of the network.
        with_gcn: Fixed mode: include the graph network that gave the weights.

    Returns:
        The network's file.

    Raises:
        ParamsError: ``EXPORT_SEED``, ``EXPORT_MODE``, ``EXPORT_CELL``.
        RefusedInput: ``EXPORT_MISSING`` if the stage has not run; ``EXPORT_STALE`` if the
            networks and the weights do not belong together; if a file is damaged.
        StroiError: ``EXPORT_PACKAGES``, ``EXPORT_DIFFERS``, or if the disk is full.
    """
    if with_gcn and mode != "fixed":
        raise ParamsError(
            "EXPORT_MODE",
            f"--with-gcn belongs to fixed mode, this is {mode}",
            remedy="leave it out: end-to-end mode includes its own, plain mode needs none",
        )
    if seed not in run.profile.seeds:
        raise ParamsError(
            "EXPORT_SEED",
            f"run {run.name} has no seed {seed}",
            remedy=f"its seeds are: {', '.join(map(str, run.profile.seeds))}",
        )
    require_onnx()
    path = _existing(checkpoint(workspace.run(run.name, f"resnet-{mode}"), seed), f"resnet-{mode}")
    model, checkpoints = load_resnet(path), {"resnet": sha256_file(path)}
    gcn, rule = None, None
    if with_gcn:
        gcn, rule, digest = _graph_network(workspace, run, seed)
        checkpoints["gcn"] = digest
    module = export_module(model, gcn=gcn, rule=rule)
    about = description(module, model) | {"seed": seed, "checkpoints": checkpoints}
    data = export_bytes(module, about)
    name = f"{run.name}-{mode}{'-gcn' if with_gcn else ''}-seed-{seed}.onnx"
    write_atomic(out / name, data)
    document = about | {"file": name, "bytes": len(data), "sha256": sha256_bytes(data)}
    write_atomic(out / f"{name}.json", f"{json.dumps(document, indent=1)}\n".encode())
    return out / name


def _existing(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise RefusedInput(
            "EXPORT_MISSING",
            f"{str(path)!a}: there is no such network",
            remedy=f"run stage {stage} first, or `dvc repro`",
        )
    return path


def _graph_network(
    workspace: Workspace, run: RunParams, seed: int
) -> tuple[GraphNet, WeightRule, str]:
    """The graph network that gave the weights of fixed mode, their rule, and its digest.

    Raises:
        RefusedInput: ``EXPORT_STALE`` unless network, weights and RGB branch belong together.
    """
    path = _existing(checkpoint(workspace.run(run.name, "gcn"), seed), "gcn")
    folder = seed_folder(workspace.run(run.name, "weights"), seed)
    weights, digest = read_manifest(folder), sha256_file(path)
    fixed = read_manifest(scores_folder(workspace.run(run.name, "resnet-fixed"), seed)).producer
    if weights.producer.get("checkpoint") != digest or fixed.get("weights") != sha256_file(
        folder / WEIGHTS_NAME
    ):
        raise RefusedInput(
            "EXPORT_STALE",
            f"run {run.name}, seed {seed}: graph network, weights and RGB branch do not belong"
            " together",
            remedy="run `dvc repro`",
        )
    return load_gcn(path), _weight_rule(folder, weights), digest


def _weight_rule(folder: Path, weights: Manifest) -> WeightRule:
    """The rule in the manifest of a weights file."""
    weight_scale = weights.producer.get("weight_scale")
    try:
        params = WeightParams.model_validate(weights.params)
        if weight_scale is not None and not 0 < weight_scale < float("inf"):
            raise ValueError(f"the weight_scale {weight_scale}")
    except (TypeError, ValueError) as error:
        raise RefusedInput(
            "EXPORT_STALE",
            f"{str(folder)!a}: its manifest does not say how the weights were computed"
            f" ({str(error).splitlines()[0][:100]!a})",
            remedy="run stage weights again, or `dvc repro`",
        ) from error
    return WeightRule(params.formula, params.person_pooling, weight_scale)


def description(module: ExportModule, model: WeightedMosaicNet) -> dict[str, Any]:
    """Everything needed to use the file, as JSON values."""
    cells, config = model.cells, model.config
    about: dict[str, Any] = {
        "kind": "stroi export",
        "schema": SCHEMA,
        "stroi_version": stroi_version(),
        "torch_version": torch.__version__,
        "mode": model.mode,
        "model": config.model,
        "images": config.images,
        "weight_position": config.weight_position,
        "missing": config.missing,
        "classes": list(model.classes),
        "inputs": [asdict(port) for port in module.inputs],
        "outputs": [asdict(port) for port in module.outputs],
        "rows": [row.name for row in model.rows],
        "row_joints": {row.name: list(row.joints) for row in model.rows},
        "columns": cells.columns,
        "people": cells.people,
        "cell": {"height": cells.height, "width": cells.width},
        "skeletons": None,
    }
    if isinstance(module, SkeletonExport):
        gcn, rule = module.gcn, module.rule
        about["skeletons"] = {
            "model": gcn.config.model,
            "stream": gcn.config.stream,
            "centre": gcn.config.centre,
            "size": gcn.config.size,
            "preparation": gcn.config.preparation,
            "layout": gcn.layout.name,
            "joints": list(gcn.layout.joints),
            "weights": asdict(rule),
        }
    return about
