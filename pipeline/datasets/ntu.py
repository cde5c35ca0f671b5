"""Adapters ``ntu60`` and ``ntu120``: NTU RGB+D as it is shipped, anywhere below one folder."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import ClipEntry, DatasetListing
from stroi.pipeline.datasets.ntu_files import Found, find_files
from stroi.pipeline.datasets.ntu_lists import (
    NTU_60,
    NTU_120,
    Name,
    NtuSet,
    class_names,
    listed_missing,
    unknown_part,
)
from stroi.pipeline.datasets.ntu_notes import notes
from stroi.pipeline.index.ledger import ClipOutcome


def list_ntu60(root: Path) -> DatasetListing:
    """Samples of NTU RGB+D 60, see `list_ntu`."""
    return list_ntu(root, NTU_60)


def list_ntu120(root: Path) -> DatasetListing:
    """Samples of NTU RGB+D 120, see `list_ntu`."""
    return list_ntu(root, NTU_120)


def list_ntu(root: Path, ntu: NtuSet) -> DatasetListing:
    """Samples of which `root` holds ``NAME_rgb.avi``, ``NAME.skeleton``, or both.

    A sample's subject is its performer (``P001``), its camera ``C001``, its group the setup
    (``S001``) and its label ``A001 drink water``.

    Returns:
        The samples. Left out are those that the data set lists as having no good skeleton
        (``LISTED_MISSING``), names that no sample of it has (``NAME_UNKNOWN``), and files that
        nearly look like a sample's (``NAME_BAD``). The notes tell what is missing.

    Raises:
        RefusedInput: As `find_files`; ``DATASET_EMPTY`` if there is no sample at all;
            ``NTU_SIZES`` if all samples are there and the protocols have other sizes than were
            published.
    """
    found = find_files(root)
    clips: list[ClipEntry] = []
    left_out = list(found.misnamed)
    for sample in sorted(found.videos.keys() | found.skeletons.keys()):
        if problem := unknown_part(sample, ntu):
            left_out.append(ClipOutcome(sample, "NAME_UNKNOWN", problem))
        elif sample in listed_missing():
            detail = "the data set lists it as having no good skeleton"
            left_out.append(ClipOutcome(sample, "LISTED_MISSING", detail))
        else:
            clips.append(_listed(sample, found))
    if not clips:
        raise RefusedInput(
            "DATASET_EMPTY",
            f"{root} holds no sample of {ntu.title} ({len(left_out)} files and samples left out)",
            remedy="put S001C001P001R001A001.skeleton, S001C001P001R001A001_rgb.avi and the"
            " others below it",
        )
    return DatasetListing(tuple(clips), tuple(left_out), notes(ntu, clips, left_out))


def _listed(sample: str, found: Found) -> ClipEntry:
    name = Name.of(sample)
    return ClipEntry(
        id=sample,
        video=found.videos.get(sample, ""),
        label=class_names()[name.action],
        subject=name.performer,
        camera=name.camera,
        group=name.setup,
        skeleton=found.skeletons.get(sample, ""),
    )
