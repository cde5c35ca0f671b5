"""What the training stages share: a folder per seed, progress by epoch, the parts of the split."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files import write_atomic
from stroi.cache.joints import JointCache
from stroi.cache.manifest import read_manifest
from stroi.cache.scores import Scores, write_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.weights import Weights
from stroi.pipeline.index import Index, csv_bytes
from stroi.pipeline.params import RunParams
from stroi.pipeline.profile import (
    EnsembleParams,
    GcnParams,
    ResnetParams,
    ScheduleParams,
    WeightParams,
)
from stroi.pipeline.progress import progress
from stroi.pipeline.splits import Parts, check_parts, divide
from stroi.pipeline.workspace import Workspace
from stroi.stages.logs import Logs
from stroi.trainer.backbones import GraphNet
from stroi.trainer.config import (
    Augment,
    Feeding,
    GcnConfig,
    Mode,
    ResNetConfig,
    Schedule,
    Stream,
)
from stroi.trainer.infer_gcn import scaled_weights
from stroi.trainer.runtime import pick_device, pick_precision
from stroi.trainer.state import EpochRecord

FEEDING = tuple(each.name for each in fields(Feeding))
"""Params of the RGB branch that its network does not know."""
TEST = "test"
"""Name of the score file of the test clips."""

VALIDATION = "validation"
"""Name of the score file of the validation clips, if the split has any."""


def seed_folder(out: Path, seed: int) -> Path:
    """Where one seed's files lie in a training stage's out."""
    return out / f"seed-{seed}"


def checkpoint(out: Path, seed: int, stream: str = "") -> Path:
    """Network of one seed, or of one of its further streams."""
    further = f"-{stream}" if stream else ""
    return seed_folder(out, seed) / f"checkpoint{further}.safetensors"


def scores_folder(out: Path, seed: int) -> Path:
    """Scores of one seed."""
    return seed_folder(out, seed) / "scores"


def scored(parts: Parts) -> dict[str, tuple[str, ...]]:
    """Clips that a trained network scores, by the name of their score file."""
    held = {VALIDATION: parts.validation} if parts.validation else {}
    return {TEST: parts.test} | held


def keep_scores(
    out: Path,
    seed: int,
    found: Mapping[str, Scores],
    *,
    params: dict[str, Any],
    producer: dict[str, Any],
) -> None:
    """Write what the network of one seed says about the clips of `scored`, by file name."""
    folder = scores_folder(out, seed)
    if VALIDATION not in found:  # an earlier run's, of a split that had some
        (folder / f"{VALIDATION}.h5").unlink(missing_ok=True)
    for name, scores in found.items():
        write_scores(folder, name, scores, params=params, producer=producer)


def drop_other_seeds(out: Path, seeds: Sequence[int]) -> None:
    """Remove what an earlier run with other seeds left in `out`."""
    wanted = {seed_folder(out, seed) for seed in seeds}
    for folder in out.glob("seed-*"):
        if folder not in wanted:
            shutil.rmtree(folder)


def clips_folder(workspace: Workspace, run: RunParams) -> Path:
    """The folder of what the run's graph network sees."""
    if run.run.input == "joints":
        return workspace.joints(run.run.dataset)
    return workspace.skeletons(run.run.dataset)


def open_clips(workspace: Workspace, run: RunParams) -> SkeletonCache | JointCache:
    """What the run's graph network sees, verified.

    Raises:
        RefusedInput: If it is missing or damaged.
    """
    folder = clips_folder(workspace, run)
    return JointCache(folder) if run.run.input == "joints" else SkeletonCache(folder)


def parts_of(index: Index, run: RunParams, usable: Sequence[str]) -> Parts:
    """The run's training, validation and test clips among the usable ones.

    Raises:
        ParamsError: If the split's rule does not fit the index; ``ALPHA_VALIDATION`` if something
            is to be chosen on validation clips and there are none.
        RefusedInput: If anything is on two sides; ``PAIR_CLASS`` now, not after the training.
    """
    check_pairs(run.profile.ensemble, index.classes)
    split = run.profile.splits[run.run.split]
    if run.profile.ensemble.alpha == "validation" and split.validation is None:
        raise ParamsError(
            "ALPHA_VALIDATION",
            f"ensemble.alpha is to be chosen on validation clips; split {run.run.split} has none",
            remedy=f"give splits.{run.run.split} a validation part, or alpha a number",
        )
    parts = divide(index.samples, split, usable=usable)
    check_parts(index, parts, split)
    return parts


def check_pairs(params: EnsembleParams, classes: Sequence[str]) -> None:
    """Refuse pairs of classes that the data set does not have.

    Raises:
        RefusedInput: Naming the first such class.
    """
    for name, pair in params.pairs.items():
        for label in pair:
            if label not in classes:
                raise RefusedInput(
                    "PAIR_CLASS",
                    f"ensemble.pairs.{name}: no class {label!a}",
                    remedy=f"the classes are: {', '.join(classes)}",
                )


def check_division(folder: Path, parts: Parts, stage: str) -> None:
    """Refuse what a network learnt under another division: it may have seen our test clips.

    Args:
        folder: What the network gave, with the manifest that tells the division.
        parts: This run's parts.
        stage: The stage that wrote it.

    Raises:
        RefusedInput: ``SPLIT_OTHER``; if there is no such manifest.
    """
    if read_manifest(folder).producer.get("division") != parts.division:
        raise RefusedInput(
            "SPLIT_OTHER",
            f"{folder} comes from a network that learnt under another division of the clips",
            remedy=f"run `stroi {stage}` again, or `dvc repro`",
        )


def made_weights(
    params: WeightParams,
    gcn: GraphNet,
    clips: SkeletonCache | JointCache,
    ids: Sequence[str],
    training: Sequence[str],
    threads: int,
) -> tuple[Weights, float | None]:
    """Joint weights as the params say; see `stroi.trainer.infer_gcn.scaled_weights`.

    Args:
        params: How they are made.
        gcn: The graph network.
        clips: What it sees.
        ids: Clips that get weights.
        training: The training clips among them, or none if every clip is scaled by itself.
        threads: CPU threads.

    Raises:
        StroiError: ``CLIP_EMPTY``.
    """
    return scaled_weights(
        gcn,
        clips,
        ids,
        bodies=params.bodies,
        kind=params.joints,
        training=training,
        precision=pick_precision(params.precision, pick_device("cpu")),
        threads=threads,
    )


def schedule_of(params: ScheduleParams) -> Schedule:
    """The trainer's form of a schedule."""
    return Schedule(**params.model_dump())


def gcn_config(params: GcnParams, stream: Stream, device: str = "cpu") -> GcnConfig:
    """The trainer's form of the skeleton branch's params, for the network of one stream."""
    apart = {"schedule", "streams", "stream_weights", "augment", "precision"}
    values = params.model_dump(exclude=apart)
    augment = Augment(**params.augment.model_dump())
    precision = pick_precision(params.precision, pick_device(device))
    return GcnConfig(stream=stream, augment=augment, precision=precision, **values)


def resnet_config(
    params: ResnetParams, weights: WeightParams, mode: Mode, constant: float | None = None
) -> ResNetConfig:
    """The trainer's form of the RGB branch's params.

    Args:
        params: Of the branch.
        weights: Of the joint weights; how they are made is joint mode's business alone.
        mode: In which mode it trains.
        constant: What divides the rows' weights in joint mode, if they are not scaled by clip.
    """
    apart = {"schedule", "device", "start", "start_sha256", "precision", "batch_norm", *FEEDING}
    values = params.model_dump(exclude=apart)
    values["precision"] = pick_precision(params.precision, pick_device(params.device))
    if mode == "joint":
        values |= {"joints": weights.joints, "constant": constant}
    return ResNetConfig(bodies=weights.bodies, **values)


def feeding_of(params: ResnetParams) -> Feeding:
    """How the RGB branch's mosaics reach it."""
    return Feeding(**params.model_dump(include=set(FEEDING)))


@contextmanager
def epochs(
    schedule: Schedule, label: str, records: list[EpochRecord], logs: Logs, name: str
) -> Iterator[Callable[[EpochRecord], None]]:
    """A progress display by epochs; yields what the trainer tells each epoch to.

    Args:
        schedule: How many epochs there are.
        label: What the display calls the training.
        records: Gets every epoch's record.
        logs: Where the training is logged.
        name: Of the training, in the logs.

    Raises:
        ParamsError: ``TENSORBOARD``.
    """
    with (
        logs.of(name) as log,
        progress(schedule.epochs, label=label, unit="epochs") as bar,
    ):

        def tell(record: EpochRecord) -> None:
            records.append(record)
            log(records)
            bar.update(1, _said(record))

        yield tell


def _said(record: EpochRecord) -> str:
    """An epoch in words."""
    held, gpu = record.validation_accuracy, record.gpu
    return (
        f"loss {record.loss:.3f}, training accuracy {record.accuracy:.1%}, "
        + (f"validation accuracy {held:.1%}, " if held is not None else "")
        + f"{record.samples_per_second:.0f} clips/s, {record.wait:.1%} of the time without data"
        + (f", GPU at {gpu:.0%}" if gpu is not None else "")
    )


CURVE = ("epoch", "loss", "accuracy", "lr", "validation_loss", "validation_accuracy")
"""Columns of ``curve.csv``."""


def write_curve(folder: Path, records: Sequence[EpochRecord], stream: str = "") -> None:
    """Write ``curve.csv``, or ``curve-STREAM.csv`` of a further stream: what every epoch gave.

    Times stay out: they are never the same twice. What was not measured is ``nan``, which plots
    leave out; DVC warns of a missing column.
    """
    rows = ([_shown(getattr(record, name)) for name in CURVE] for record in records)
    name = f"curve-{stream}.csv" if stream else "curve.csv"
    write_atomic(folder / name, csv_bytes(CURVE, rows))


def _shown(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6g}"
