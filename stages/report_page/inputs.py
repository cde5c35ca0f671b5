"""Reading everything that the page shows, and checking that it belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import BODY_25, Layout
from stroi.cache.ledger import LEDGER_NAME
from stroi.cache.manifest import MANIFEST_NAME, Manifest, read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.own_layouts import read_layout
from stroi.cache.rois import require_same_rows
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.index.csv import read_csv
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.shards.verify_once import verify_once
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.methods import run_methods, streams_of
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.evaluation.result_files import read_labels, read_table, stale_table
from stroi.stages.evaluation.table import Table


@dataclass(frozen=True)
class Curve:
    """One training: mean loss and accuracy (0 to 1) of each epoch.

    Attributes:
        loss: On the training clips.
        accuracy: On the training clips.
        validation_loss: On the validation clips; NaN where it is not known.
        validation_accuracy: On the validation clips; NaN where it is not known.
    """

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]

    @property
    def has_validation(self) -> bool:
        """Whether there were validation clips."""
        return any(map(isfinite, self.validation_accuracy))


@dataclass(frozen=True)
class Inputs:
    """Everything that the page shows.

    Attributes:
        ledgers: By stage: ``index``, ``skeletons3d`` if the graph network saw a sensor's,
            ``skeletons``, ``mosaics``; those that are there.
        no_ledger: The stages whose ledger is not there.
        table: The rows.
        labels: What each row predicts for each test clip.
        mosaics: The mosaics.
        weights: Joint weights of the first seed's GCN; every test clip is among them.
        layout: The joints that have them.
        curves: By training stage, one curve per seed.
        manifests: What made the caches, scores and weights, by folder below the project.
    """

    ledgers: Mapping[str, Ledger]
    no_ledger: tuple[str, ...]
    table: Table
    labels: PredictedLabels
    mosaics: MosaicCache
    weights: Weights
    layout: Layout
    curves: Mapping[str, tuple[Curve, ...]]
    manifests: Mapping[str, Manifest]


def read_inputs(workspace: Workspace, run: RunParams) -> Inputs:
    """Read everything that the page of `run` shows.

    A receiver may lack the ledgers of some stages, the skeletons and the curves.

    Raises:
        RefusedInput: If another file is missing, or if one is damaged or of another index than
            the others.
    """
    dataset = run.run.dataset
    ensemble = workspace.run(run.name, "ensemble")
    table = read_table(ensemble)
    classes = read_index(workspace.index(dataset)).classes
    _check_params(ensemble / "table.json", table, classes, run)
    labels = read_labels(ensemble, table)
    weights, layout = read_joint_weights(workspace, run, labels.ids)
    streams = streams_of(row.method for row in table.rows)
    branch = [run.run.input] if run.run.input == "skeletons3d" else []
    folders = {
        stage: getattr(workspace, stage)(dataset)
        for stage in ("index", *branch, "skeletons", "mosaics")
    }
    ledgers = read_ledgers(folders)
    check_ledgers(ledgers, folders, ("index", "skeletons", "mosaics"))
    check_ledgers(ledgers, folders, ("index", *branch))
    verify_once(folders["mosaics"], MosaicCache.KINDS, workspace.store)
    mosaics = MosaicCache(folders["mosaics"], verify=False)
    require_same_rows(
        mosaics.rows, f"{mosaics.folder}", weights.rows, "the file of weights",
        "run the stages mosaics and weights again, or `dvc repro`",
    )  # fmt: skip
    return Inputs(
        ledgers=ledgers,
        no_ledger=tuple(stage for stage in folders if stage not in ledgers),
        table=table,
        labels=labels,
        mosaics=mosaics,
        weights=weights,
        layout=layout,
        curves=read_curves(workspace, run, streams),
        manifests=read_manifests(
            workspace, run, [folders[stage] for stage in folders if stage != "index"], streams
        ),
    )


def read_ledgers(folders: Mapping[str, Path]) -> dict[str, Ledger]:
    """The ledgers that are there, by stage: skeletons need not be, nor that of a received index.

    Raises:
        RefusedInput: If one is malformed, or missing from a cache that is there.
    """
    return {
        stage: read_ledger(folder)
        for stage, folder in folders.items()
        if (folder / LEDGER_NAME if stage == "index" else folder).exists()
    }


def read_curves(
    workspace: Workspace, run: RunParams, stages: Iterable[str]
) -> dict[str, tuple[Curve, ...]]:
    """Curves of all seeds of the named stages, and of the graph network's further streams.

    Those of a training may all be missing, as scores may have come without them.

    Raises:
        RefusedInput: If one is malformed, or missing beside others of the training.
    """
    names = {stage: (stage, "curve.csv") for stage in stages}
    for stream in run.profile.gcn.streams[1:]:
        names[f"gcn, {stream.replace('_', ' ')}"] = ("gcn", f"curve-{stream}.csv")
    paths = {
        title: [
            workspace.run(run.name, stage) / f"seed-{seed}" / name for seed in run.profile.seeds
        ]
        for title, (stage, name) in names.items()
    }
    return {
        title: tuple(map(read_curve, own)) if any(path.exists() for path in own) else ()
        for title, own in paths.items()
    }


def read_joint_weights(
    workspace: Workspace, run: RunParams, clips: Iterable[str]
) -> tuple[Weights, Layout]:
    """Weights of the first seed's graph network, and the joints that have them.

    Raises:
        RefusedInput: If they are missing or damaged, or one of `clips` is not among them.
    """
    folder = workspace.run(run.name, "weights") / f"seed-{run.profile.seeds[0]}"
    weights = read_weights(folder)
    # Weights that name no layout are of BODY_25.
    recorded = read_manifest(folder).producer.get("layout", BODY_25.name)
    try:
        layout = read_layout(recorded)
    except ValueError as error:
        raise RefusedInput("LAYOUT", f"{folder}: {error}", remedy="update stroi") from None
    _check_weights(folder, weights, clips, layout)
    return weights, layout


def read_curve(path: Path) -> Curve:
    """Read a training curve.

    Raises:
        RefusedInput: If it is missing or a loss or accuracy is no number.
    """
    rows = read_csv(path, required=("epoch", "loss", "accuracy"))
    try:
        return Curve(
            *(
                tuple(float(row.get(name, "nan")) for _, row in rows)
                for name in ("loss", "accuracy", "validation_loss", "validation_accuracy")
            )
        )
    except ValueError as error:
        raise RefusedInput("CURVE", f"{path}: {error}", remedy="train this stage again") from None


def _check_params(path: Path, table: Table, classes: tuple[str, ...], run: RunParams) -> None:
    """Refuse a table of other classes, seeds or pairs than those of the index and the params."""
    profile = run.profile
    if table.classes != classes:
        raise stale_table(path, "its classes are not the index's")
    if table.seeds != profile.seeds:
        raise stale_table(path, f"its seeds are not the profile's {len(profile.seeds)} seeds")
    if {name: pair.classes for name, pair in table.pairs.items()} != dict(profile.ensemble.pairs):
        raise stale_table(path, "its pairs are not the profile's pairs")
    rows = [method.number for method in run_methods(profile.ensemble.methods)]
    if [row.method.number for row in table.rows] != rows:
        raise stale_table(path, "its rows are not those of the profile's ensemble.methods")


def check_ledgers(
    ledgers: Mapping[str, Ledger], folders: Mapping[str, Path], stages: Iterable[str]
) -> None:
    """Refuse a stage whose clips are not those that the stage before it has done.

    Raises:
        RefusedInput: ``LEDGER``.
    """
    for before, after in pairwise(stages):
        if not {before, after} <= set(ledgers):
            continue
        known = {outcome.id for outcome in ledgers[after].outcomes}
        odd = sorted(known ^ set(ledgers[before].done))
        if odd:
            raise RefusedInput(
                "LEDGER",
                f"{folders[after] / LEDGER_NAME}: {len(odd)} clips differ from those that "
                f"stage {before} has done, first {odd[0]!a}",
                remedy=f"run `stroi {after}` again, or `dvc repro`",
            )


def _check_weights(folder: Path, weights: Weights, clips: Iterable[str], layout: Layout) -> None:
    lacking = sorted(set(clips) - set(weights.ids))
    if lacking:
        raise RefusedInput(
            "ID_UNKNOWN",
            f"{folder} lacks {len(lacking)} test clips, first {lacking[0]}",
            remedy="run `stroi weights` again, or `dvc repro`",
        )
    joints = weights.joint_weights.shape[2]
    if joints != len(layout.joints):
        raise RefusedInput(
            "SCHEMA",
            f"{folder}: {joints} joints, the page draws {len(layout.joints)}",
            remedy="run `stroi weights` again, or `dvc repro`",
        )


def read_manifests(
    workspace: Workspace, run: RunParams, caches: Iterable[Path], stages: Iterable[str]
) -> dict[str, Manifest]:
    """Manifests of the caches that are there, of what the named stages wrote, and of the weights.

    Raises:
        RefusedInput: If one is missing or damaged.
    """
    folders = [folder for folder in caches if folder.exists()]
    for stage in (*stages, "weights"):
        paths = workspace.run(run.name, stage).rglob(MANIFEST_NAME)
        folders += sorted(path.parent for path in paths)
    return {
        folder.relative_to(workspace.root).as_posix(): read_manifest(folder) for folder in folders
    }
