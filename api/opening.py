"""Open a cache by its folder or its URL."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import Scores, read_scores
from stroi.cache.share.info import manifest_sha256
from stroi.cache.share.receive import refuse_unexpected
from stroi.cache.share.urls import as_path
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.index.table import Index, read_index


def open_mosaics(source: Path | str, *, expect: str = "", verify: bool = True) -> MosaicCache:
    """Mosaics by sample id.

    Args:
        source: A folder of mosaics in either form; or the URL of such a folder, or of an archive
            that `stroi cache export` wrote. What lies at a URL is fetched once, checked and kept
            in ``~/.cache/stroi``, or where the variable ``STROI_DOWNLOADS`` says.
        expect: SHA-256 that its ``manifest.json`` must have, as its publisher gives it; empty
            takes any.
        verify: Whether every digest is checked now; skip it only for a folder that was checked.

    Raises:
        RefusedInput: If it is incomplete, damaged, or not one of mosaics; ``EXPECT``;
            ``URL_MISSING``.
        StroiError: ``URL_READ``; ``URL_DRIVER``, naming what to install.
    """
    return MosaicCache(_folder(source, expect), verify=verify)


def open_skeletons(source: Path | str, *, expect: str = "", verify: bool = True) -> SkeletonCache:
    """Skeletons in pixels by sample id.

    Args:
        source: A folder of skeletons, or a URL as for `open_mosaics`.
        expect: As for `open_mosaics`.
        verify: As for `open_mosaics`.

    Raises:
        RefusedInput, StroiError: As `open_mosaics`.
    """
    return SkeletonCache(_folder(source, expect), verify=verify)


def open_skeletons3d(source: Path | str, *, expect: str = "", verify: bool = True) -> JointCache:
    """Skeletons in metres by sample id.

    Args:
        source: A folder of skeletons in metres, or a URL as for `open_mosaics`.
        expect: As for `open_mosaics`.
        verify: As for `open_mosaics`.

    Raises:
        RefusedInput, StroiError: As `open_mosaics`.
    """
    return JointCache(_folder(source, expect), verify=verify)


def open_weights(source: Path | str, *, expect: str = "") -> Weights:
    """The joint weights and row weights of many clips, verified.

    Args:
        source: A folder of one seed's weights, such as ``runs/RUN/weights/seed-0``, or a URL as
            for `open_mosaics`.
        expect: As for `open_mosaics`.

    Raises:
        RefusedInput, StroiError: As `open_mosaics`.
    """
    return read_weights(_folder(source, expect))


def open_scores(source: Path | str, name: str = "test", *, expect: str = "") -> Scores:
    """The logits of many clips, verified.

    Args:
        source: A folder of scores, such as ``runs/RUN/gcn/seed-0/scores``, or a URL as for
            `open_mosaics`.
        name: Which of its files: ``test`` or ``validation``.
        expect: As for `open_mosaics`.

    Raises:
        RefusedInput, StroiError: As `open_mosaics`; ``SCORES_NAME`` if it has no file of that name.
    """
    return read_scores(_folder(source, expect), name)


def open_index(source: Path | str, *, expect: str = "") -> Index:
    """The clips of a data set with their labels.

    Args:
        source: Out of stage ``index``; or a cache that was published with its labels, by its
            folder or a URL as for `open_mosaics`.
        expect: As for `open_mosaics`, of a published cache.

    Raises:
        RefusedInput: If it is missing or malformed; as `open_mosaics`.
        StroiError: As `open_mosaics`.
    """
    return read_index(_folder(source, expect))


def _folder(source: Path | str, expect: str) -> Path:
    """The folder of a cache: itself, or the checked download of a URL."""
    path = as_path(source)
    if path is None:
        from stroi.cache.share.remote import cached_folder
        from stroi.pipeline.cache_commands.common import counting_bytes

        return cached_folder(str(source), expect, counting_bytes("download"))
    if path.is_file():
        raise RefusedInput(
            "CACHE_FOLDER",
            f"{path} is a file, not the folder of a cache",
            remedy=f"run `stroi cache import {path} FOLDER` and open that folder",
        )
    if expect:
        refuse_unexpected(path, manifest_sha256(path), expect)
    return path
