"""The trained networks in a run's folder, and what belongs to each other there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import Manifest, read_manifest
from stroi.cache.weights import WEIGHTS_NAME
from stroi.pipeline.params.profile import GcnParams, WeightParams
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.network_file import load_gcn


@dataclass(frozen=True)
class SkeletonBranch:
    """The graph networks of one seed.

    Attributes:
        networks: One per stream; the first one's features give the joint weights.
        params: Those that they were trained with.
        checkpoints: SHA-256 of their files.
    """

    networks: tuple[GraphNet, ...]
    params: GcnParams
    checkpoints: tuple[str, ...]

    @property
    def is_first_network(self) -> bool:
        """Whether its scores are the logits of its first network as they are."""
        params = self.params
        return len(params.streams) == 1 and not params.stream_weights and not params.tta_copies


@dataclass(frozen=True)
class RowWeighting:
    """How the first graph network of a seed made the row weights of fixed mode.

    Attributes:
        params: Formula, pooling and precision.
        scale: What divides all rows; None if each clip scales its own.
    """

    params: WeightParams
    scale: float | None


def existing_network(path: Path, stage: str) -> Path:
    """`path`, if there is a network.

    Raises:
        RefusedInput: ``NETWORK_MISSING``.
    """
    if not path.is_file():
        raise RefusedInput(
            "NETWORK_MISSING",
            f"{str(path)!a}: there is no such network",
            remedy=f"run stage {stage} first, or `dvc repro`",
        )
    return path


def skeleton_branch(folder: Path, seed: int) -> SkeletonBranch:
    """The graph networks of a run's folder.

    Raises:
        RefusedInput: ``NETWORK_MISSING``; ``NETWORK_STALE`` if its scores are of other networks;
            if a file is damaged.
    """
    out = folder / "gcn"
    scored_by = read_manifest(scores_folder(out, seed))
    try:
        params = GcnParams.model_validate_json(json.dumps(scored_by.params))
    except ValueError as error:
        raise stale_network(
            f"{out}: unknown network ({str(error).splitlines()[0][:100]!a})"
        ) from error
    names = ("", *params.streams[1:])
    paths = [existing_network(checkpoint(out, seed, name), "gcn") for name in names]
    digests = tuple(map(sha256_file, paths))
    producer = scored_by.producer
    if (producer.get("checkpoint"), *producer.get("streams", ())) != digests:
        raise stale_network(f"{out}, seed {seed}: its scores are of other networks")
    return SkeletonBranch(tuple(map(load_gcn, paths)), params, digests)


def row_weighting(folder: Path, seed: int, gcn: str) -> RowWeighting:
    """How the graph network of a seed made the weights that fixed mode was trained with.

    Args:
        folder: The run's.
        seed: The seed.
        gcn: SHA-256 of the network's file.

    Raises:
        RefusedInput: ``NETWORK_STALE`` unless network, weights and RGB branch belong together.
    """
    weights = seed_folder(folder / "weights", seed)
    manifest = read_manifest(weights)
    fixed = read_manifest(scores_folder(folder / "resnet-fixed", seed)).producer
    if manifest.producer.get("checkpoint") != gcn or fixed.get("weights") != sha256_file(
        weights / WEIGHTS_NAME
    ):
        raise stale_network(
            f"{folder}, seed {seed}: graph network, weights and RGB branch do not belong together"
        )
    return _weighting(weights, manifest)


def _weighting(folder: Path, manifest: Manifest) -> RowWeighting:
    scale = manifest.producer.get("weight_scale")
    try:
        params = WeightParams.model_validate(manifest.params)
        if scale is not None and not 0 < scale < float("inf"):
            raise ValueError(f"the weight_scale {scale}")
    except (TypeError, ValueError) as error:
        raise RefusedInput(
            "NETWORK_STALE",
            f"{str(folder)!a}: its manifest does not say how the weights were computed"
            f" ({str(error).splitlines()[0][:100]!a})",
            remedy="run stage weights again, or `dvc repro`",
        ) from error
    return RowWeighting(params, scale)


def stale_network(problem: str) -> RefusedInput:
    """The refusal of networks that do not belong to the rest of the run."""
    return RefusedInput("NETWORK_STALE", problem, remedy="run `dvc repro`")
