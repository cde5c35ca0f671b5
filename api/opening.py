"""Open a cache by its folder, its archive or its URL."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import Scores, read_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.index.table import Index, read_index


def open_mosaics(source: Path | str, *, verify: bool = True) -> MosaicCache:
    """Mosaics by sample id.

    Args:
        source: A folder of mosaics in either form.
        verify: Whether every digest is checked now; skip it only for a folder that was checked.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of mosaics.
    """
    return MosaicCache(Path(source), verify=verify)


def open_skeletons(source: Path | str, *, verify: bool = True) -> SkeletonCache:
    """Skeletons in pixels by sample id.

    Args:
        source: A folder of skeletons.
        verify: As for `open_mosaics`.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of skeletons.
    """
    return SkeletonCache(Path(source), verify=verify)


def open_skeletons3d(source: Path | str, *, verify: bool = True) -> JointCache:
    """Skeletons in metres by sample id.

    Args:
        source: A folder of skeletons in metres.
        verify: As for `open_mosaics`.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of them.
    """
    return JointCache(Path(source), verify=verify)


def open_weights(source: Path | str) -> Weights:
    """The joint weights and row weights of many clips, verified.

    Args:
        source: A folder of one seed's weights, such as ``runs/RUN/weights/seed-0``.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of weights.
    """
    return read_weights(Path(source))


def open_scores(source: Path | str, name: str = "test") -> Scores:
    """The logits of many clips, verified.

    Args:
        source: A folder of scores, such as ``runs/RUN/gcn/seed-0/scores``.
        name: Which of its files: ``test`` or ``validation``.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of scores; ``SCORES_NAME`` if it has
            no file of that name.
    """
    return read_scores(Path(source), name)


def open_index(source: Path | str) -> Index:
    """The clips of a data set with their labels.

    Args:
        source: Out of stage ``index``, or a cache that was published with its labels.

    Raises:
        RefusedInput: If it is missing or malformed.
    """
    return read_index(Path(source))
