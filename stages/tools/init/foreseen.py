"""What the first stages will quarantine, and whether that will end them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING

from stroi.pipeline.datasets.reading.files import MEND_MISSING, missing_notes
from stroi.pipeline.index.cautions import share_caution
from stroi.pipeline.index.checks import OF_NOTHING, empty_notes
from stroi.pipeline.index.ledger import CONVERT
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import Profile, SkeletonParams
from stroi.stages.tools.init.options import InitOptions

if TYPE_CHECKING:
    from stroi.stages.tools.init.crop_size import CropSize


def foreseen(
    options: InitOptions, clips: Sequence[Sample], profile: Profile | None
) -> Iterator[str]:
    """What the first stages will quarantine, by the files that are not there."""
    params = profile or Profile()
    notes, missing = missing_notes(options.videos, clips)
    yield from notes
    yield from empty_notes(clips)
    empty = sum(clip.sha256 == OF_NOTHING for clip in clips)
    for lost, limit, stage, mend in (
        (missing, params.index.max_quarantined, "index", MEND_MISSING),
        (empty, params.skeletons.max_quarantined, "skeletons", "fetch the files again"),
        (without_video(clips), params.skeletons.max_quarantined, "skeletons", "add the videos"),
    ):
        if lost < len(clips) and (text := _caution(options, lost, len(clips), limit, stage, mend)):
            yield text


def without_video(clips: Sequence[Sample]) -> int:
    """Clips without a video."""
    return sum(not clip.video for clip in clips)


def _caution(
    options: InitOptions, lost: int, clips: int, limit: float, stage: str, mend: str
) -> str:
    return share_caution(lost, clips, limit, stage=stage, dataset=options.name, mend=mend)


def unreadable_notes(options: InitOptions, crop: CropSize, clips: int) -> Iterator[str]:
    """Whether the videos that could not be read will end a stage."""
    lost = ceil(len(crop.unreadable) / max(1, crop.sampled) * clips)
    limit = SkeletonParams().max_quarantined
    text = _caution(options, lost, clips, limit, "skeletons", f"convert them (`{CONVERT}`)")
    if text:
        some = f"if all videos are like the {crop.sampled} that were opened, "
        yield (some if crop.sampled < clips else "") + text
