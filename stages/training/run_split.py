"""The run's training, validation and test clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.pipeline.index.splits import SplitIds, check_parts, divide
from stroi.pipeline.index.table import Index
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import EnsembleParams


def split_clips(index: Index, run: RunParams, usable: Sequence[str]) -> SplitIds:
    """The run's training, validation and test clips among the usable ones.

    Raises:
        ParamsError: If the split's rule does not fit the index; ``ALPHA_VALIDATION`` if alpha must
            be chosen on validation clips and there are none.
        RefusedInput: If a clip is on two sides; ``PAIR_CLASS``, before any training.
    """
    check_pairs(run.profile.ensemble, index.classes)
    rule = run.profile.splits[run.run.split]
    if run.profile.ensemble.alpha == "validation" and rule.validation is None:
        raise ParamsError(
            "ALPHA_VALIDATION",
            f"ensemble.alpha must be chosen on validation clips; split {run.run.split} has none",
            remedy=f"give splits.{run.run.split} validation clips, or alpha a number",
        )
    split = divide(index.samples, rule, usable=usable)
    check_parts(index, split, rule)
    return split


def check_pairs(params: EnsembleParams, classes: Sequence[str]) -> None:
    """Refuse a pair of a class that the data set lacks, or of a class with itself.

    Raises:
        RefusedInput: Naming the first such class.
    """
    for name, pair in params.pairs.items():
        if pair[0] == pair[1]:
            raise RefusedInput(
                "PAIR_CLASS",
                f"ensemble.pairs.{name}: {pair[0]!a} twice",
                remedy="name two different classes",
            )
        for label in pair:
            if label not in classes:
                raise RefusedInput(
                    "PAIR_CLASS",
                    f"ensemble.pairs.{name}: no class {label!a}",
                    remedy=f"the classes are: {', '.join(classes)}",
                )


def check_same_split(folder: Path, split: SplitIds, stage: str) -> None:
    """Refuse the output of a network that trained on another split: it may know our test clips.

    Args:
        folder: Output of the network, with a manifest that names its split.
        split: This run's split.
        stage: The stage that wrote it.

    Raises:
        RefusedInput: ``SPLIT_OTHER``; if there is no such manifest.
    """
    if read_manifest(folder).producer.get("split") != split.digest:
        raise RefusedInput(
            "SPLIT_OTHER",
            f"{folder} comes from a network that trained on another split of the clips",
            remedy=f"run `stroi {stage}` again, or `dvc repro`",
        )
