"""All adapters by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stroi.pipeline.datasets.demo import list_demo
from stroi.pipeline.datasets.folders import list_folders
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.datasets.ntu import list_ntu60, list_ntu120
from stroi.pipeline.datasets.nucla import list_nucla
from stroi.pipeline.datasets.pku_mmd import list_pku_mmd
from stroi.pipeline.datasets.smarthome import list_smarthome, list_smarthome_views
from stroi.pipeline.datasets.smarthome_untrimmed import list_untrimmed
from stroi.pipeline.datasets.table import list_table
from stroi.pipeline.datasets.ut_interaction import list_ut_interaction
from stroi.pipeline.params.profile import IndexParams

ADAPTERS: dict[str, Callable[[Path], DatasetListing]] = {
    "demo": list_demo,
    "folders": list_folders,
    "nucla": list_nucla,
    "ntu60": list_ntu60,
    "ntu120": list_ntu120,
    "pku-mmd": list_pku_mmd,
    "smarthome-untrimmed": list_untrimmed,
    "table": list_table,
    "toyota-smarthome": list_smarthome,
    "toyota-smarthome-cv": list_smarthome_views,
    "ut-interaction": list_ut_interaction,
}
"""By the name that ``index.adapter`` gives."""


def list_clips(raw: Path, params: IndexParams) -> DatasetListing:
    """The data set in `raw`, as `params` say it is to be read.

    Raises:
        RefusedInput: As its adapter.
    """
    if params.adapter == "folders":
        return list_folders(raw, params.pattern)
    return ADAPTERS[params.adapter](raw)
