"""The adapters that come with stroi, and finding one by its name."""

from __future__ import annotations

from pathlib import Path

from stroi.pipeline.datasets.demo import list_demo
from stroi.pipeline.datasets.folders import list_folders
from stroi.pipeline.datasets.listing import DatasetAdapter, DatasetListing
from stroi.pipeline.datasets.ntu import list_ntu60, list_ntu120
from stroi.pipeline.datasets.nucla import list_nucla
from stroi.pipeline.datasets.pku_mmd import list_pku_mmd
from stroi.pipeline.datasets.smarthome import list_smarthome, list_smarthome_views
from stroi.pipeline.datasets.smarthome_untrimmed import list_untrimmed
from stroi.pipeline.datasets.table import list_table
from stroi.pipeline.datasets.ut_interaction import list_ut_interaction
from stroi.pipeline.params.profile import IndexParams
from stroi.trainer.plugins import find

DEMO = DatasetAdapter(list_clips=list_demo)
FOLDERS = DatasetAdapter(list_clips=list_folders)
NUCLA = DatasetAdapter(list_clips=list_nucla)
NTU60 = DatasetAdapter(list_clips=list_ntu60)
NTU120 = DatasetAdapter(list_clips=list_ntu120)
PKU_MMD = DatasetAdapter(list_clips=list_pku_mmd)
SMARTHOME_UNTRIMMED = DatasetAdapter(list_clips=list_untrimmed)
TABLE = DatasetAdapter(list_clips=list_table)
TOYOTA_SMARTHOME = DatasetAdapter(list_clips=list_smarthome)
TOYOTA_SMARTHOME_CV = DatasetAdapter(list_clips=list_smarthome_views)
UT_INTERACTION = DatasetAdapter(list_clips=list_ut_interaction)


def adapter(name: str) -> DatasetAdapter:
    """The adapter that ``index.adapter`` names.

    Raises:
        ParamsError: As `stroi.trainer.plugins.find`.
    """
    return find("datasets", name, DatasetAdapter)


def list_clips(raw: Path, params: IndexParams) -> DatasetListing:
    """The data set in `raw`, as `params` say it is to be read.

    Raises:
        ParamsError: As `adapter`.
        RefusedInput: As the adapter.
    """
    if params.adapter == "folders":
        return list_folders(raw, params.pattern)
    chosen = adapter(params.adapter)
    return chosen.list_clips(raw, *chosen.own(params.options))
