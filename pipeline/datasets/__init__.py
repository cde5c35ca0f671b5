"""Adapters: how the clips of a data set are found on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stroi.pipeline.datasets.demo import list_demo
from stroi.pipeline.datasets.listing import Listed, Listing
from stroi.pipeline.datasets.ntu import list_ntu60, list_ntu120
from stroi.pipeline.datasets.nucla import list_nucla
from stroi.pipeline.datasets.table import list_table

ADAPTERS: dict[str, Callable[[Path], Listing]] = {
    "demo": list_demo,
    "nucla": list_nucla,
    "ntu60": list_ntu60,
    "ntu120": list_ntu120,
    "table": list_table,
}
"""By the name that ``index.adapter`` gives."""

__all__ = ["ADAPTERS", "Listed", "Listing"]
