"""What the two pages share: the sections of every page, and the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from stroi.cache.layouts import Layout
from stroi.cache.percent import percent, signed
from stroi.cache.rois import Rows, row_joints
from stroi.pipeline.params.profile import Profile
from stroi.stages.report_page import attention, charts, provenance
from stroi.stages.report_page.inputs import Curve


@dataclass(frozen=True, kw_only=True)
class Page:
    """Sections of every page.

    Attributes:
        run: Name of the run.
        dataset: Name of its data set.
        split: Its split, in words.
        profile: The params.
        means: Mean weights: all test clips first, then class by class.
        layout: The joints that have weights.
        rows: The rows that have weights.
        losses: What became of the clips.
        no_ledger: Stages whose ledger is not there.
        curves: Training curves by network or stage, one per seed.
        params: Params by section.
        producers: What made each folder.
    """

    run: str
    dataset: str
    split: str
    profile: Profile
    means: tuple[attention.MeanWeights, ...]
    layout: Layout
    rows: Rows
    losses: provenance.Losses
    no_ledger: tuple[str, ...]
    curves: Mapping[str, tuple[Curve, ...]]
    params: tuple[provenance.ParamsSection, ...]
    producers: tuple[provenance.ParamsSection, ...]

    @property
    def row_joints(self) -> frozenset[int]:
        """Joints that a row shows."""
        return frozenset(at for own in row_joints(self.rows, self.layout) for at in own)

    @property
    def shown_parts(self) -> str:
        """What the rows show, in words: ``head, right hand and left hand``."""
        *others, last = (row.title for row in self.rows)
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def has_validation(self) -> bool:
        """Whether any training had validation clips."""
        return any(curve.has_validation for curves in self.curves.values() for curve in curves)

    @property
    def no_curve(self) -> tuple[str, ...]:
        """Trainings whose curves are not there."""
        return tuple(name for name, curves in self.curves.items() if not curves)


def render(template: str, page: object) -> str:
    """A page as one HTML file that loads nothing; equal text for equal content."""
    return _environment().get_template(template).render(page=page)


def _environment() -> Environment:
    """The templates: all text is escaped, a misspelt name is an error."""
    env = Environment(
        loader=PackageLoader("stroi.stages.report_page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=percent,
        signed=signed,
        between=charts.between,
        p_value=charts.p_value,
    )
    env.globals.update(
        accuracy_bar=charts.accuracy_bar,
        weight_bar=charts.weight_bar,
        shade=charts.shade,
        skeleton=charts.skeleton,
        line_chart=charts.line_chart,
    )
    return env
