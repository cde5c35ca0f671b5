"""stroi as a library: caches, trained runs and a torch data set, in a few names.

docs/api.md shows each. A name is loaded when it is first used: ``import stroi`` alone costs
nothing, and `stroi.cache` needs numpy and h5py only.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stroi.cache.errors import StroiError
    from stroi.opening import (
        open_index,
        open_mosaics,
        open_scores,
        open_skeletons,
        open_skeletons3d,
        open_weights,
    )
    from stroi.trained_run import Run, load_run
    from stroi.trainer.data.mosaic_dataset import MosaicDataset

    __version__: str

__all__ = [
    "MosaicDataset",
    "Run",
    "StroiError",
    "__version__",
    "load_run",
    "open_index",
    "open_mosaics",
    "open_scores",
    "open_skeletons",
    "open_skeletons3d",
    "open_weights",
]

_PLACES = {
    "MosaicDataset": "stroi.trainer.data.mosaic_dataset",
    "Run": "stroi.trained_run",
    "StroiError": "stroi.cache.errors",
    "load_run": "stroi.trained_run",
    **dict.fromkeys((name for name in __all__ if name.startswith("open_")), "stroi.opening"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return metadata.version("stroi")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
