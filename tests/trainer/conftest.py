"""Shared by the tests of the trainer."""

from __future__ import annotations

import pytest
from small_inputs import mosaic_cache

from stroi.cache.mosaics import MosaicCache


@pytest.fixture(scope="session")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> MosaicCache:
    """Eight small mosaics of two classes."""
    return mosaic_cache(tmp_path_factory.mktemp("mosaics"))
