"""Command ``export``: a run's trained network as one file that needs no stroi."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.manifest import stroi_version
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.predict.exported import EXPORT_KIND, EXPORT_SCHEMA
from stroi.stages.predict.networks import (
    SkeletonBranch,
    existing_network,
    row_weighting,
    skeleton_branch,
)
from stroi.stages.predict.recipe import run_recipe
from stroi.stages.training.outputs import checkpoint
from stroi.trainer.config import Mode
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.export_module import (
    ExportModule,
    SkeletonExport,
    WeightRule,
    export_module,
)
from stroi.trainer.network_files.export_onnx import export_bytes, require_onnx
from stroi.trainer.network_files.network_file import load_resnet


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
        RefusedInput: ``NETWORK_MISSING`` if the stage has not run; ``NETWORK_STALE`` if the
            networks and the weights do not belong together; if a file is damaged, or a manifest
            that says how the clips were cut is missing.
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
    stage = f"resnet-{mode}"
    path = existing_network(checkpoint(workspace.run(run.name, stage), seed), stage)
    model, checkpoints = load_resnet(path), {"resnet": sha256_file(path)}
    gcn, rule, ensemble = None, None, False
    if with_gcn:
        branch, rule = _graph_network(workspace.root / "runs" / run.name, seed)
        gcn, checkpoints["gcn"] = branch.networks[0], branch.checkpoints[0]
        ensemble = branch.is_first_network
    module = export_module(model, gcn=gcn, rule=rule)
    about = description(module, model) | {
        "seed": seed,
        "checkpoints": checkpoints,
        "ensemble": ensemble,
        "recipe": run_recipe(workspace, run).to_json(),
    }
    data = export_bytes(module, about)
    name = f"{run.name}-{mode}{'-gcn' if with_gcn else ''}-seed-{seed}.onnx"
    write_atomic(out / name, data)
    document = about | {"file": name, "bytes": len(data), "sha256": sha256_bytes(data)}
    write_atomic(out / f"{name}.json", f"{json.dumps(document, indent=1)}\n".encode())
    return out / name


def _graph_network(folder: Path, seed: int) -> tuple[SkeletonBranch, WeightRule]:
    """The skeleton branch whose first network gave the weights of fixed mode, and their rule.

    Raises:
        RefusedInput: ``NETWORK_MISSING``; ``NETWORK_STALE`` unless network, weights and RGB branch
            belong together.
    """
    branch = skeleton_branch(folder, seed)
    weighting = row_weighting(folder, seed, branch.checkpoints[0])
    params = weighting.params
    return branch, WeightRule(params.formula, params.person_pooling, weighting.scale)


def description(module: ExportModule, model: WeightedMosaicNet) -> dict[str, Any]:
    """Everything needed to use the file, as JSON values."""
    cells, config = model.cells, model.config
    about: dict[str, Any] = {
        "kind": EXPORT_KIND,
        "schema": EXPORT_SCHEMA,
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
