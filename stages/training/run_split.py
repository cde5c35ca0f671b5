"""The run's training, validation and test clips, and which networks learnt under them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.manifest import read_manifest
from stroi.pipeline.index.splits import SplitIds, check_parts, divide
from stroi.pipeline.index.table import Index
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import EnsembleParams


def parts_of(index: Index, run: RunParams, usable: Sequence[str]) -> SplitIds:
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
    """Refuse pairs of classes that the data set does not have, and of a class with itself.

    Raises:
        RefusedInput: Naming the first such class.
    """
    for name, pair in params.pairs.items():
        if pair[0] == pair[1]:
            raise RefusedInput(
                "PAIR_CLASS",
                f"ensemble.pairs.{name}: {pair[0]!a} twice",
                remedy="name two classes to tell apart",
            )
        for label in pair:
            if label not in classes:
                raise RefusedInput(
                    "PAIR_CLASS",
                    f"ensemble.pairs.{name}: no class {label!a}",
                    remedy=f"the classes are: {', '.join(classes)}",
                )


def check_division(folder: Path, parts: SplitIds, stage: str) -> None:
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
