"""From content to HTML: one file, nothing loaded from anywhere."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from stroi.cache.percent import percent
from stroi.stages.report_page import accuracy, attention
from stroi.stages.report_page import charts as figures
from stroi.stages.report_page.content import Content


def environment() -> Environment:
    """The templates: everything that is text is escaped, a misspelt name is an error."""
    env = Environment(
        loader=PackageLoader("stroi.stages.report_page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=percent,
        signed=figures.signed,
        between=figures.between,
        p_value=figures.p_value,
    )
    env.globals.update(
        accuracy_bar=figures.accuracy_bar,
        weight_bar=figures.weight_bar,
        shade=figures.shade,
        skeleton=figures.skeleton,
        line_chart=figures.line_chart,
        colour=accuracy.COLOUR,
        pair_rows=accuracy.PAIR_ROWS,
        class_rows=accuracy.CLASS_ROWS,
        row_names=attention.ROW_NAMES,
    )
    return env


def render(content: Content) -> str:
    """The page as HTML; equal text for equal content."""
    return environment().get_template("page.html").render(page=content)
