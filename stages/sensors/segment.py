"""A clip that is a part of what a sensor's file holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.skeletons3d import JointClip
from stroi.pipeline.index.table import tolerance


def segment_slice(path: Path, frames: int, start: int, stop: int) -> slice:
    """The frames of a clip, by the rule of `stroi.stages.video.reader.read_frames`.

    Args:
        path: The file, for messages.
        frames: Frames that it holds.
        start: First frame of the clip.
        stop: Frame after its last; 0 if it lasts to the file's end.

    Raises:
        ClipRejected: ``SKEL_SEGMENT`` if the file ends before the clip, or within it so that more
            than `max(3, 5 %)` of its frames are missing.
    """
    end = stop or frames
    if start >= frames or end - frames > tolerance(end - start):
        last = f"to {stop - 1}" if stop else "on"
        raise ClipRejected(
            "SKEL_SEGMENT",
            f"{path.name!a}: the clip is frames {start} {last} of the file, which holds {frames}",
            remedy="correct the clip's first and last frame, or fetch the file again",
        )
    return slice(start, min(end, frames))


def select_segment(clip: JointClip, path: Path, start: int, stop: int) -> JointClip:
    """Some frames of a clip whose people were chosen by all of it.

    Args:
        clip: Everything in a file.
        path: The file, for messages.
        start: First frame of the part.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `segment_slice`; ``SKEL_EMPTY`` if nobody is seen in these frames.
    """
    if (start, stop) == (0, 0):
        return clip
    kept = segment_slice(path, len(clip.state), start, stop)
    if not clip.state[kept].any():
        raise ClipRejected(
            "SKEL_EMPTY",
            f"{path.name!a}: no joint of anybody is tracked in frames {kept.start} to"
            f" {kept.stop - 1}",
            remedy="leave the sample out",
        )
    return replace(clip, position=clip.position[kept], state=clip.state[kept])
