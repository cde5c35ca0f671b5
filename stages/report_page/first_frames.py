"""First frames of quarantined clips, for the ledger on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stroi.cache.errors import StroiError
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.report_page.clips import CARDS
from stroi.stages.report_page.pictures import picture
from stroi.stages.report_page.provenance import Losses, Lost
from stroi.stages.video.reader import read_selected

SHOWN = 12
"""Clips whose first frame is shown, at most."""


def with_first_frames(losses: Losses, raw: Path, samples: Mapping[str, ClipEntry]) -> Losses:
    """`losses` with the first frame of the first `SHOWN` clips whose video is there and decodes.

    Args:
        losses: What was lost.
        raw: Root of the data set; a receiver of caches has none.
        samples: Entries of the index by id.
    """
    with_frames = [_with_frame(lost, raw, samples) for lost in losses.listed[:SHOWN]]
    return replace(losses, listed=(*with_frames, *losses.listed[SHOWN:]))


def _with_frame(lost: Lost, raw: Path, samples: Mapping[str, ClipEntry]) -> Lost:
    sample = samples.get(lost.outcome.id)
    if sample is None or not sample.video:
        return lost
    try:
        frames = read_selected(raw / sample.video, [0], sample.start, sample.stop)
    except StroiError:
        # Most are here because they cannot be read.
        return lost
    return replace(lost, picture=picture(frames[0], CARDS))
