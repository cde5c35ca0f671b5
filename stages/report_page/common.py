"""What both pages show, the whole one and that of the skeleton branch alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stroi.cache.layouts import Layout
from stroi.pipeline.params.profile import Profile
from stroi.stages.report_page import attention
from stroi.stages.report_page import provenance as origin
from stroi.stages.report_page.inputs import Curve


@dataclass(frozen=True, kw_only=True)
class Common:
    """Sections of every page.

    Attributes:
        run: Name of the run.
        dataset: Name of its data set.
        split: Its split, in words.
        profile: The params.
        means: Mean weights: all test clips first, then class by class.
        layout: The joints that have weights.
        losses: What became of the clips.
        curves: Training curves by network or stage, one per seed.
        params: Params by group.
        producers: What made each folder.
    """

    run: str
    dataset: str
    split: str
    profile: Profile
    means: tuple[attention.MeanWeights, ...]
    layout: Layout
    losses: origin.Losses
    curves: Mapping[str, tuple[Curve, ...]]
    params: tuple[origin.ParamsSection, ...]
    producers: tuple[origin.ParamsSection, ...]

    @property
    def judged(self) -> bool:
        """Whether there were validation clips."""
        return any(curve.judged for curves in self.curves.values() for curve in curves)
