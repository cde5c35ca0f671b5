"""Params of the mosaics: part of `stroi.pipeline.params.profile`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stroi.pipeline.params.base import ParamsModel, Positive, Share
from stroi.trainer.config import RowsSetting

MIN_CELL = 8
"""Smallest side of a cell of the mosaic in px."""


def _size_is(value: object) -> str:
    return "native" if value == "native" else "px"


MosaicSize = Annotated[
    # The tag comes first, so that a wrong value is one mistake and not one per kind.
    Annotated[Annotated[int, Field(ge=40, le=2048)], Tag("px")]
    | Annotated[Literal["native"], Tag("native")],
    Discriminator(_size_is),
]


class MosaicParams(ParamsModel):
    """Cutting the K x L mosaics, eq. 1 (stage ``mosaics``)."""

    rows: RowsSetting = Field("paper", validate_default=True)
    """K body parts, from top to bottom: ``paper`` (head, hands, feet), ``upper_body``,
    ``with_elbows_knees``, ``full_body`` (one cell around the person), or a list of 1 to 25 parts,
    joints of BODY_25 and groups of them, such as ``{right_arm: [right_elbow, right_wrist]}``."""
    columns: Annotated[int, Field(ge=1, le=64)] = 5
    """L, frames per mosaic."""
    candidates: Annotated[int, Field(ge=0, le=64)] = 0
    """Frames that are cut, at least `columns`, if training draws `columns` of them at random for
    every clip and epoch, as the paper does on N-UCLA; 0 cuts only the `columns` that are scored."""
    sampling: Literal["interior", "centre", "paper"] = "interior"
    """Which of T frames: s, 2s, ..., Ls with s = T // (L + 1); the middles of L parts; i T / L."""
    sample_by: Literal["frame", "time"] = "frame"
    """Whether `sampling` counts frames, or the time at which they are shown: of a video with a
    variable frame rate, ``time`` takes the frames that are nearest to those of a constant one."""
    cell: Annotated[int, Field(ge=8, le=1024, multiple_of=2)] = 96
    """Side of a crop in px of the video frame; even, because people share a cell. A row may
    have its own: ``{head: {cell: 64}}``, or ``fit`` for one that holds all joints of a group."""
    size: MosaicSize = 225
    """Height of the stored mosaic in px: each of the K rows has size // K of them, and cells are
    square. ``native`` keeps the crops as they were cut: K times `cell` px."""
    min_confidence: Share = 0.2
    """Joints with a lower confidence count as missing."""
    border: Literal["black", "edge", "reflect"] = "black"
    """Pixels of a crop outside the frame."""
    missing: Literal["black", "nearest"] = "black"
    """Cell of a missing joint: black, or cut at its place in the nearest frame that has it."""
    clips_per_shard: Positive = 512
    """Mean number of clips per file, at most twice as many, and fewer where a file would pass
    128 MiB."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _candidates_hold_the_columns(self) -> MosaicParams:
        if 0 < self.candidates < self.columns:
            raise ValueError(f"{self.candidates} candidates cannot give {self.columns} columns")
        return self

    @model_validator(mode="after")
    def _cells_hold_the_rows(self) -> MosaicParams:
        own = [row.name for row in self.rows if row.cell is not None]
        if self.size == "native" and own:
            raise ValueError(
                f"size: native keeps crops as they are cut, and {own[0]} has a cell of its own:"
                " give a size in px"
            )
        if self.size != "native" and self.size // len(self.rows) < MIN_CELL:
            raise ValueError(
                f"{len(self.rows)} rows in {self.size} px leave cells of"
                f" {self.size // len(self.rows)} px: set size to"
                f" {MIN_CELL * len(self.rows)} or more"
            )
        return self
