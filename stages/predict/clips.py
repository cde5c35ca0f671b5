"""A new video as a clip: its people, tracked and chosen, and its mosaic, by the stages' functions.

Legend of shapes: N clips, K rows, C columns, h and w cell height and width, T frames,
P the most persons of a clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest, settled_state
from stroi.cache.mosaic_columns import scored_columns
from stroi.cache.skeletons import Clip
from stroi.pipeline.datasets.folders import sample_id
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import Cut, cell_side
from stroi.stages.mosaics import cut_clip
from stroi.stages.pose.detect import detect_poses
from stroi.stages.pose.source import PoseSourcePlan
from stroi.stages.skeletons import choose_people
from stroi.stages.video.clip_input import ClipInput
from stroi.stages.video.fingerprint import measure_clip

SCALES = (1.5, 10.0)
"""Least and largest height of a person, relative to the side of a crop, without a warning."""


@dataclass(frozen=True)
class Subject:
    """One of the people that count in a clip.

    Attributes:
        name: ``the person``; ``left`` and ``right`` of two; ``number 1 from the left`` of more.
        box: x0, y0, x1, y1 in px around the joints: the median over the frames.
        seen: Share of the frames in which the person was detected.
    """

    name: str
    box: tuple[float, float, float, float]
    seen: float


@dataclass(frozen=True)
class VideoClip:
    """A clip of a new video, ready for the networks.

    Attributes:
        id: Name of the clip.
        skeleton: The people that count.
        cut: Its mosaic.
        most_people: Most people that were detected in one frame.
        remark: What a user should know of it.
        start: First frame in the video.
    """

    id: str
    skeleton: Clip
    cut: Cut
    most_people: int
    remark: str = ""
    start: int = 0

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The people that count, from left to right."""
        return subjects(self.skeleton)


def read_clip(
    video: Path,
    plan: PoseSourcePlan,
    params: MosaicParams,
    *,
    store: Path | None = None,
    start: int = 0,
    stop: int = 0,
) -> VideoClip:
    """A video, or a part of one, as the stages ``skeletons`` and ``mosaics`` make a clip of it.

    Args:
        video: A video file, or a folder of numbered images.
        plan: Where the people come from.
        params: Of the mosaic.
        store: Folder of finished work, which keeps detections; None keeps nothing.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: If the video cannot be used, or shows nobody.
        StroiError: If the store cannot be written.
    """
    clip = clip_input(video, start, stop)
    detections = detect_poses(clip, plan, store)
    skeleton = choose_people(detections, clip, plan)
    cut = cut_clip(clip, skeleton.clip, params)
    return VideoClip(
        clip.id, skeleton.clip, cut, int(detections.counts.max()), skeleton.remark, start
    )


def clip_input(video: Path, start: int = 0, stop: int = 0) -> ClipInput:
    """A video as the stages see a clip.

    Raises:
        ClipRejected: ``VIDEO_OPEN`` if it cannot be read.
    """
    video = video.resolve()
    try:
        sha256, _ = measure_clip(video)
        state = "" if video.is_dir() else settled_state(video)
    except OSError as error:
        raise ClipRejected(
            "VIDEO_OPEN", f"{str(video)!a}: {error.strerror}", remedy="check the path"
        ) from None
    digests = {"video": sha256}
    if start or stop:
        digests["segment"] = digest([start, stop])
    return ClipInput(
        sample_id(video.name), video.parent, video.name, "", digests, start, stop,
        states={"video": state},
    )  # fmt: skip


def subjects(skeleton: Clip) -> tuple[Subject, ...]:
    """The people that count in a clip, from left to right."""
    found = []
    for person, name in enumerate(_names(skeleton.person_count)):
        points = skeleton.keypoints[:, person]  # (T, 25, 3)
        there = points[..., 2] > 0
        frames = there.any(axis=1)
        if not frames.any():
            continue
        low = np.where(there[..., None], points[..., :2], np.inf)[frames].min(axis=1)  # (T, 2)
        high = np.where(there[..., None], points[..., :2], -np.inf)[frames].max(axis=1)
        x0, y0 = np.median(low, axis=0).tolist()
        x1, y1 = np.median(high, axis=0).tolist()
        found.append(Subject(name, (x0, y0, x1, y1), float(frames.mean())))
    return tuple(found)


def scale_note(skeleton: Clip, params: MosaicParams) -> str:
    """A warning if the crops are far too small or too large for these people; else nothing."""
    sides = [side for row in params.rows if (side := row.cell or params.cell) != "fit"]
    heights = [one.box[3] - one.box[1] for one in subjects(skeleton)]
    if not sides or not heights or SCALES[0] <= max(heights) / max(sides) <= SCALES[1]:
        return ""
    return (
        f"crops of {max(sides)} px for people of {max(heights):.0f} px: scale the video until they"
        " are as large as in the clips that the run was trained on"
    )


def _names(count: int) -> tuple[str, ...]:
    if count == 1:
        return ("the person",)
    if count == 2:
        return ("left", "right")
    return tuple(f"number {at + 1} from the left" for at in range(count))


class CutMosaics:
    """Mosaics in memory, read as a cache of them is.

    Args:
        cuts: At least one mosaic by sample id, all cut with `params`.
        params: Of the mosaics.
    """

    def __init__(self, cuts: Mapping[str, Cut], params: MosaicParams) -> None:
        self._cuts, self._params = dict(cuts), params
        side, rows = cell_side(params), params.rows
        self.folder, self.rows = Path("the video"), rows
        self.people = len(next(iter(self._cuts.values())).valid)
        self.columns = max(params.columns, params.candidates)
        self.shape = (len(rows) * side, self.columns * side, 3)

    @property
    def scored(self) -> NDArray[np.int64]:
        """(L,) positions of the columns that are scored."""
        return scored_columns(self._params.columns, self.columns)

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8],
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """Copy the mosaics of `ids`, (B, L) `columns` of each, into (B, H, L * w, 3) `out`."""
        height, width, colours = self.shape
        for place, name in enumerate(ids):
            pixels = self._cuts[name].mosaic
            if columns is not None:
                cells = pixels.reshape(height, self.columns, width // self.columns * colours)
                pixels = cells[:, columns[place]].reshape(height, -1, colours)
            out[place] = pixels
        return out

    def valid(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Which cells show a joint: (B, P, C, K)."""
        return np.stack([self._cuts[name].valid for name in ids])

    def person_count(self, ids: Sequence[str]) -> NDArray[np.int8]:
        """Persons in each: (B,), 1 to P."""
        return np.array([self._cuts[name].person_count for name in ids], np.int8)

    def storage_order(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions in `ids`, as they are."""
        return np.arange(len(ids), dtype=np.int64)


def scored_mosaic(cut: Cut, params: MosaicParams) -> NDArray[np.uint8]:
    """The columns of a mosaic that are scored: (K * h, L * w, 3) RGB."""
    mosaics = CutMosaics({"": cut}, params)
    height, width, colours = mosaics.shape
    columns = mosaics.scored
    shape = (1, height, width // mosaics.columns * len(columns), colours)
    out = np.empty(shape, np.uint8)
    mosaic: NDArray[np.uint8] = mosaics.batch([""], out, columns=columns[None])[0]
    return mosaic
