"""Provenance on the page: ledgers of the clips, params, producers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from stroi.cache.manifest import Manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import Rows
from stroi.pipeline.index.ledger import ClipOutcome, Ledger
from stroi.pipeline.params.profile import Profile, Split
from stroi.stages.report_page.pictures import Picture

LISTED = 200
"""Quarantined clips that the page lists."""

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/:;,'\"()]+/)+")

SHOWN = 20
"""Items of a list of params or of a producer that the page shows."""


@dataclass(frozen=True)
class StageCount:
    """Clips of one stage: `total` = `done` + `quarantined`."""

    stage: str
    total: int
    done: int
    quarantined: int


@dataclass(frozen=True)
class Lost:
    """A quarantined clip, the stage that quarantined it, and its first frame if there is one."""

    stage: str
    outcome: ClipOutcome
    picture: Picture | None = None


@dataclass(frozen=True)
class Losses:
    """What was lost on the way.

    Attributes:
        stages: Counts of each stage.
        listed: The first `LISTED` quarantined clips.
        more: How many are not listed.
        missing: Black cells (or parts of cells that several persons share) of all mosaics.
        cells: All of them.
        missing_by_row: Share in percent of black cells by mosaic row.
    """

    stages: tuple[StageCount, ...]
    listed: tuple[Lost, ...]
    more: int
    missing: int
    cells: int
    missing_by_row: Mapping[str, float]

    @property
    def missing_share(self) -> float:
        """Black cells in percent."""
        return 100 * self.missing / self.cells if self.cells else 0.0


@dataclass(frozen=True)
class ParamsSection:
    """A section of the params or a manifest's producer: keys with dots and values as text."""

    name: str
    entries: tuple[tuple[str, str], ...]


def losses(ledgers: Mapping[str, Ledger], mosaics: MosaicCache | None) -> Losses:
    """Counts of every stage, quarantined clips, and black cells if there are mosaics."""
    stages = tuple(
        StageCount(stage, len(each.outcomes), len(each.done), len(each.quarantined))
        for stage, each in ledgers.items()
    )
    lost = [
        Lost(stage, replace(out, detail=without_folders(out.detail)))
        for stage, each in ledgers.items()
        for out in each.quarantined
    ]
    rows: Rows = () if mosaics is None else mosaics.rows
    missing, cells = _black_cells(mosaics)
    return Losses(
        stages=stages,
        listed=tuple(lost[:LISTED]),
        more=max(0, len(lost) - LISTED),
        missing=sum(missing),
        cells=sum(cells),
        missing_by_row={
            row.title: 100 * black / of if of else 0.0
            for row, black, of in zip(rows, missing, cells, strict=True)
        },
    )


def _black_cells(mosaics: MosaicCache | None) -> tuple[list[int], list[int]]:
    """Black cells and all cells of each mosaic row, absent persons left out."""
    if mosaics is None or not mosaics.ids:
        none = [0] * (0 if mosaics is None else len(mosaics.rows))
        return none, none
    valid = mosaics.valid(mosaics.ids)
    present = np.arange(valid.shape[1]) < mosaics.person_count(mosaics.ids)[:, None]
    present_cells = np.broadcast_to(present[:, :, None, None], valid.shape)
    missing = np.count_nonzero(present_cells & ~valid, axis=(0, 1, 2))
    return missing.tolist(), np.count_nonzero(present_cells, axis=(0, 1, 2)).tolist()


def split_rule(name: str, split: Split) -> str:
    """A split in words: ``xsub: by subject; train all others; test s09, s10``."""
    if split.fold is not None:
        sides = [f"test fold {split.fold[0]} of {split.fold[1]}", "train all others"]
    else:
        sides = [
            f"{side} {', '.join(values) if values is not None else 'all others'}"
            for side, values in (("train", split.train), ("test", split.test))
        ]
    if split.validation is not None:
        rule = split.validation
        fold = f"fold {rule.fold[0]} of {rule.fold[1]}" if rule.fold else ""
        sides.append(
            f"of the training clips validate by {rule.by}: {fold or ', '.join(rule.values or ())}"
        )
    if split.leave_out:
        sides.append(f"{len(split.leave_out)} training clips left out")
    return f"{name}: by {split.by}; {'; '.join(sides)}"


def params_sections(
    profile: Profile, made_with: Mapping[str, Mapping[str, Any]]
) -> tuple[ParamsSection, ...]:
    """Every section of the params as text, in the profile's order, without the splits.

    Args:
        profile: The params of the data set.
        made_with: By section, params that a manifest records. They win over the profile's;
            ``skeletons3d`` has no others.
    """
    values = profile.model_dump(mode="json", exclude={"splits", "seeds"})
    values["skeletons3d"] = {}
    return tuple(
        ParamsSection(name, flatten({**section, **made_with.get(name, {})}))
        for name, section in values.items()
        if name != "skeletons3d" or name in made_with
    )


def producers(manifests: Mapping[str, Manifest]) -> tuple[ParamsSection, ...]:
    """What made each folder: producer, version of stroi, digest of the params."""
    return tuple(
        ParamsSection(
            name,
            (
                *flatten(each.producer),
                ("params digest", each.params_digest),
                ("stroi", each.stroi_version),
            ),
        )
        for name, each in manifests.items()
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Nested JSON values as pairs of dotted key and text, sorted as they come."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", _text(value)))
    return tuple(pairs)


def without_folders(text: str) -> str:
    """`text` with the names of files alone: the page must not show the folders of this machine."""
    return _FOLDERS.sub("", text)


def _text(value: object) -> str:
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else without_folders(value)
    if isinstance(value, list):
        more = f" and {len(value) - SHOWN} more" if value[SHOWN:] else ""
        return (", ".join(map(_text, value[:SHOWN])) or "none") + more
    return "none" if value is None or value == {} else json.dumps(value)
