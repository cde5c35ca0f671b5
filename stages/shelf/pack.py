"""Pack a trained run as one archive, in which nothing names this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import torch

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.files.opening import read_no_link
from stroi.cache.files.staging import move_into_place, refuse_existing, staging_folder
from stroi.cache.manifest import MANIFEST_NAME, read_manifest, stroi_version, write_manifest
from stroi.cache.scores import read_scores
from stroi.cache.share.archive import OutgoingFile, write_archive
from stroi.cache.share.card import About
from stroi.cache.share.publish import find_private
from stroi.cache.storage.strict_json import JsonNode, parse_json
from stroi.cache.verify import require_verified
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.predict.recipe import RECIPE_NAME, run_recipe
from stroi.stages.shelf.contents import (
    BRANCHES,
    CARD_NAME,
    MAX_TEXT_BYTES,
    METRICS_NAME,
    PARAMS_NAME,
    PROFILE_NAME,
    README_NAME,
    TABLE_NAME,
    Branch,
    PackedFile,
    RunCard,
    card_bytes,
)
from stroi.stages.training.outputs import TEST, checkpoint, scores_folder, seed_folder


@dataclass(frozen=True)
class Packed:
    """What `pack_run` wrote.

    Attributes:
        card: The run's card.
        card_sha256: SHA-256 of ``run.json``: names the run and all its bytes.
    """

    card: RunCard
    card_sha256: str


def pack_run(
    workspace: Workspace,
    run: RunParams,
    target: Path,
    about: About,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Packed:
    """Write a trained run as one archive: networks, weights, scores, params, metrics, a card.

    Equal runs give equal bytes.

    Args:
        workspace: The project.
        run: The run.
        target: The new archive.
        about: What only the publisher can say.
        on_bytes: Called with the bytes of each file that was written.

    Raises:
        ParamsError: ``TARGET_EXISTS``.
        RefusedInput: ``RUN_UNTRAINED`` if no network was trained with every seed; ``RUN_STALE`` if
            scores are those of another network; ``EXPORT_PRIVATE``; if a file is damaged.
        StroiError: If the disk is full or read-only.
    """
    refuse_existing(target)
    branches = trained_branches(workspace, run)
    if not branches:
        raise RefusedInput(
            "RUN_UNTRAINED",
            f"run {run.name} has no branch that was trained with every seed",
            remedy="run `dvc repro` first",
        )
    files = sorted(_files(workspace, run, branches), key=lambda file: file.name)
    scored = read_scores(
        scores_folder(workspace.run(run.name, branches[0]), run.profile.seeds[0]), TEST
    )
    card = RunCard(
        stroi_version=stroi_version(),
        torch_version=torch.__version__,
        run=run.name,
        dataset=run.run.dataset,
        split=run.run.split,
        branches=branches,
        seeds=run.profile.seeds,
        classes=scored.classes,
        metrics=_metrics(workspace, run),
        about=asdict(about),
        files=(),
    )
    files.append(_file(README_NAME, _readme(card)))
    listed = [PackedFile(name=one.name, bytes=one.size, sha256=one.sha256) for one in files]
    card = RunCard(**(dict(card) | {"files": tuple(listed)}))
    last = _file(CARD_NAME, card_bytes(card))
    with staging_folder(target, sum(file.size for file in files)) as private:
        made = private / "made"
        write_archive(made, run.name, [*files, last], lambda file: on_bytes(file.size))
        move_into_place(made, target)
    return Packed(card, last.sha256)


def trained_branches(workspace: Workspace, run: RunParams) -> tuple[Branch, ...]:
    """Branches that were trained with every seed of the run."""
    return tuple(
        branch
        for branch in BRANCHES
        if all(
            checkpoint(workspace.run(run.name, branch), seed).is_file()
            for seed in run.profile.seeds
        )
    )


def _files(
    workspace: Workspace, run: RunParams, branches: tuple[Branch, ...]
) -> Iterator[OutgoingFile]:
    profile = without_places(run.profile.model_dump(mode="json", exclude_none=True))
    _refuse_private(profile, f"profiles/{run.run.dataset}.yaml")
    yield _file(PROFILE_NAME, _json(profile))  # JSON is YAML
    recipe = without_places(run_recipe(workspace, run).to_json())
    _refuse_private(recipe, RECIPE_NAME)
    yield _file(RECIPE_NAME, _json(recipe))
    runs = {"datasets": [], "runs": {run.name: run.run.model_dump(mode="json")}}
    yield _file(PARAMS_NAME, _json(runs))
    for name, path in (
        (METRICS_NAME, workspace.run(run.name, METRICS_NAME)),
        (TABLE_NAME, workspace.run(run.name, "ensemble") / "table.json"),
    ):
        if path.is_file():
            yield _file(name, read_no_link(path, "SOURCE", MAX_TEXT_BYTES))
    for seed in run.profile.seeds:
        for branch in branches:
            yield from _branch_files(workspace, run, branch, seed)
        weights = seed_folder(workspace.run(run.name, "weights"), seed)
        if weights.is_dir():
            yield from _folder_files(weights, "weights", f"weights_seed-{seed}_")


def _branch_files(
    workspace: Workspace, run: RunParams, branch: Branch, seed: int
) -> Iterator[OutgoingFile]:
    out = workspace.run(run.name, branch)
    scores = scores_folder(out, seed)
    made_by = read_manifest(scores, "scores").producer
    streams = run.profile.gcn.streams[1:] if branch == "gcn" else ()
    digests = [made_by.get("checkpoint"), *made_by.get("streams", ())]
    for stream, digest in zip(("", *streams), digests, strict=True):
        path = checkpoint(out, seed, stream)
        if sha256_file(path) != digest:
            raise RefusedInput(
                "RUN_STALE",
                f"run {run.name}: the scores of {branch}, seed {seed}, are another network's",
                remedy="run `dvc repro`",
            )
        name = f"{branch}_seed-{seed}_{path.name}"
        yield OutgoingFile(name, path.stat().st_size, str(digest), path)
    yield from _folder_files(scores, "scores", f"{branch}_seed-{seed}_scores_")


def _folder_files(folder: Path, kind: str, prefix: str) -> Iterator[OutgoingFile]:
    """The files of a small cache, its manifest without the places of this machine."""
    manifest = require_verified(folder, kind)
    for entry in manifest.files:
        yield OutgoingFile(prefix + entry.name, entry.bytes, entry.sha256, folder / entry.name)
    clean = replace(
        manifest,
        params=without_places(manifest.params),
        producer=without_places(manifest.producer),
    )
    _refuse_private({"params": clean.params, "producer": clean.producer}, str(folder))
    with TemporaryDirectory(prefix="stroi-run-") as scratch:
        write_manifest(Path(scratch), clean)
        yield _file(prefix + MANIFEST_NAME, (Path(scratch) / MANIFEST_NAME).read_bytes())


def without_places(tree: Any) -> Any:
    """JSON values in which an absolute path has become the name of its file."""
    if isinstance(tree, str):
        return PurePath(tree).name if PurePath(tree).is_absolute() else tree
    if isinstance(tree, dict):
        return {key: without_places(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [without_places(value) for value in tree]
    return tree


def _refuse_private(tree: object, where: str) -> None:
    for key in find_private(tree):
        raise RefusedInput(
            "EXPORT_PRIVATE",
            f"{where}: {key[1:]!a} names a place on this machine",
            remedy="name it relative to the project, and run `dvc repro`",
        )


def _metrics(workspace: Workspace, run: RunParams) -> dict[str, float]:
    path = workspace.run(run.name, METRICS_NAME)
    if not path.is_file():
        return {}
    document = parse_json(read_no_link(path, "SOURCE", MAX_TEXT_BYTES), str(path))
    return JsonNode({"metrics": document}, str(path)).mapping("metrics")


def _json(values: object) -> bytes:
    return f"{json.dumps(values, indent=1, sort_keys=True, allow_nan=False)}\n".encode()


def _file(name: str, data: bytes) -> OutgoingFile:
    return OutgoingFile(name, len(data), sha256_bytes(data), data)


def _readme(card: RunCard) -> bytes:
    """The card for people."""
    about = card.about
    title = f"The trained run {card.run}" if about["title"] == "not stated" else about["title"]
    facts = {
        "data set": about["dataset"],
        "split": card.split,
        "classes": str(len(card.classes)),
        "networks": ", ".join(card.branches),
        "seeds": ", ".join(map(str, card.seeds)),
        "licence": about["licence"],
        "citation": about["citation"],
        "contact": about["contact"],
        "made by": f"stroi {card.stroi_version}, torch {card.torch_version}",
    }
    lines = [f"# {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in facts.items()]
    if card.metrics:
        lines += ["", "## Metrics", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value:g} |" for name, value in sorted(card.metrics.items())]
    lines += ["", "## Classes", "", ", ".join(_cell(name) for name in card.classes), ""]
    lines += ["## Use", "", "```sh", f"stroi run import {card.run}.tar {card.run}", "```", ""]
    return "\n".join(lines).encode()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
