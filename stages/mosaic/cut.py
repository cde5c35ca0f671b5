"""The ST-ROI mosaic: K joints by L frames of crops (paper, section III.A, eq. 1, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.rois import CELL_SIDES, person_edges, row_joints
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.crop import Border, crop, overlaps

FIT_MARGIN = 1.25
"""Side of a crop that holds all its joints, relative to the box around them: hair and soles have no
joint."""

_FAR = np.float32(np.inf)


@dataclass(frozen=True)
class Cut:
    """One clip's mosaic and where each of its cells comes from.

    K rows, L columns, cells h x w px, P the most persons of a clip.

    Attributes:
        mosaic: (K * h, L * w, 3) uint8 RGB.
        frame_index: (L,) int32 frame of each column.
        box: (P, L, K, 4) float32 x0, y0, x1, y1 of each person's crop in px of the frame, x1
            and y1 exclusive; zeros where there is none.
        confidence: (P, L, K) float32 of the row's joint in that frame, the highest one of several;
            0 where they are absent.
        valid: (P, L, K) bool, False where the cell (or the person's part of it) is black.
        person_count: Persons side by side in each cell, 1 to P.
        remark: That of the frames, see `stroi.stages.video.frames.VideoInfo`.
    """

    mosaic: NDArray[np.uint8]
    frame_index: NDArray[np.int32]
    box: NDArray[np.float32]
    confidence: NDArray[np.float32]
    valid: NDArray[np.bool_]
    person_count: int
    remark: str = ""


@dataclass(frozen=True)
class _Slot:
    """Where a person's crops go within a cell, and how large they are cut, all in px."""

    left: int
    width: int
    height: int
    cut_width: int
    cut_height: int


@dataclass(frozen=True)
class _Path:
    """Where the joints of a row are in the T frames of a clip.

    Attributes:
        middle: (T, 2) middle of the box around those that are present.
        extent: (T, 2) width and height of that box; below 0 where none is present.
        confidence: (T,) of the joint, or the highest.
        present: (T,) bool, whether any is.
    """

    middle: NDArray[np.float32]
    extent: NDArray[np.float32]
    confidence: NDArray[np.float32]
    present: NDArray[np.bool_]


def cut_mosaic(
    frames: Mapping[int, NDArray[np.uint8]],
    clip: Clip,
    frame_index: NDArray[np.int32],
    params: MosaicParams,
) -> Cut:
    """Cut a clip's mosaic (eq. 1): row j, column i shows the joints of row j in the frame tau_i.

    With one person a cell is the square of ``cell`` px around the joint, or around the middle of
    the box of several. With n persons it has n columns, from left to right, each ``cell / n`` wide
    and ``cell`` high around that person's joints. A row's own ``cell`` goes first. Every crop is
    resized by itself, so no cell bleeds into the next: by area mean when shrinking, bilinear when
    growing. A joint with a confidence of 0, or below the limit, is missing; a cell is, if all
    joints of its row are. With ``missing: nearest`` such a cell shows the same frame around their
    place in the nearest frame that has one, the earlier one of two.

    Args:
        frames: Frame index to frame (H, W, 3) uint8 BGR; holds every index of `frame_index`.
        clip: The clip's skeletons.
        frame_index: (L,) frames to show, one per column.
        params: Sizes and rules of the crops.

    Raises:
        ClipRejected: ``VIDEO_SIZE`` if a frame is not of the size that the skeletons were
            estimated in, ``VIDEO_FRAMES`` if they do not reach that far.
    """
    side, columns = cell_side(params), len(frame_index)
    joints = [list(own) for own in row_joints(params.rows)]
    rows, people = len(joints), clip.keypoints.shape[1]
    cut = Cut(
        mosaic=np.zeros((side * rows, side * columns, 3), np.uint8),
        frame_index=np.asarray(frame_index, np.int32),
        box=np.zeros((people, columns, rows, 4), np.float32),
        confidence=np.zeros((people, columns, rows), np.float32),
        valid=np.zeros((people, columns, rows), np.bool_),
        person_count=clip.person_count,
    )
    times = cut.frame_index.tolist()
    for time in times:
        _check_frame(frames[time], time, clip)
    for person, (left, right) in enumerate(pairwise(person_edges(side, clip.person_count))):
        for row, own in enumerate(joints):
            # (T, P, 25, 3) -> (T, J, 3)
            path = _path(clip.keypoints[:, person][:, own], params.min_confidence)
            size = params.rows[row].cell or params.cell
            if size == "fit":
                largest = 2 * max(clip.width, clip.height)
                size = _fit(path.extent, cut.frame_index, clip.person_count, largest)
            slot = _Slot(left, right - left, side, size // clip.person_count, size)
            for column, time in enumerate(times):
                cut.confidence[person, column, row] = path.confidence[time]
                place = _place(path, time, params)
                if place is not None:
                    at = (person, column, row)
                    _paste(cut, frames[time], place, slot, at, params.border)
    return cut


def cell_side(params: MosaicParams) -> int:
    """Side in px of a cell of the mosaic."""
    return params.cell if params.size == "native" else params.size // len(params.rows)


def _check_frame(frame: NDArray[np.uint8], time: int, clip: Clip) -> None:
    if frame.shape != (clip.height, clip.width, 3):
        raise ClipRejected(
            "VIDEO_SIZE",
            f"frame {time} is {frame.shape[1]} x {frame.shape[0]} px, its skeleton was "
            f"estimated in {clip.width} x {clip.height} px",
            remedy="estimate the clip's skeleton again from this file",
        )
    if not 0 <= time < len(clip.keypoints):
        raise ClipRejected(
            "VIDEO_FRAMES",
            f"frame {time} is needed, the skeletons end after {len(clip.keypoints)} frames",
            remedy="estimate the clip's skeleton again from this file",
        )


def _path(joints: NDArray[np.float32], min_confidence: float) -> _Path:
    """The path of the joints (T, J, 3) of a row."""
    known = np.isfinite(joints).all(axis=2)
    confidence = np.where(known, joints[..., 2], np.float32(0))  # (T, J)
    present = (confidence > 0) & (confidence >= min_confidence)
    there = present[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        low = np.where(there, joints[..., :2], _FAR).min(axis=1)  # (T, J, 2) -> (T, 2)
        high = np.where(there, joints[..., :2], -_FAR).max(axis=1)
        middle = low + (high - low) / 2
    present_at = np.asarray(present.any(axis=1), np.bool_)
    return _Path(middle, high - low, confidence.max(axis=1), present_at)


def _fit(
    extent: NDArray[np.float32], shown: NDArray[np.int32], person_count: int, largest: int
) -> int:
    """Side of a crop that holds all joints of a row, the same in all columns, px.

    It is that of the largest box (T, 2) in the `shown` frames, or in all if those have none.
    """
    # A person's part of a cell is that much narrower than high.
    sides = np.maximum(extent[:, 0] * person_count, extent[:, 1])
    known = sides[shown][sides[shown] >= 0]
    side = FIT_MARGIN * max(0.0, float(max(known if len(known) else sides)))
    return min(max(2 * round(min(side, largest) / 2), CELL_SIDES.start), largest)


def _place(path: _Path, time: int, params: MosaicParams) -> tuple[float, float] | None:
    """Where to cut for a row's joints in frame `time`; None for nowhere."""
    if not path.present[time]:
        if params.missing == "black" or not path.present.any():
            return None
        times = np.flatnonzero(path.present)
        time = int(times[np.argmin(np.abs(times - time))])
    return float(path.middle[time, 0]), float(path.middle[time, 1])


def _paste(
    cut: Cut,
    frame: NDArray[np.uint8],
    place: tuple[float, float],
    slot: _Slot,
    at: tuple[int, int, int],
    border: Border,
) -> None:
    """Fill one person's part of a cell, unless the crop shows nothing of the frame."""
    _, column, row = at
    patch, box = crop(frame, *place, width=slot.cut_width, height=slot.cut_height, border=border)
    if not overlaps(box, frame.shape[1], frame.shape[0]):
        return
    side = slot.height
    shrinks = slot.cut_width > slot.width or slot.cut_height > slot.height
    if patch.shape[:2] != (slot.height, slot.width):
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        patch = np.asarray(
            cv2.resize(patch, (slot.width, slot.height), interpolation=method), np.uint8
        )
    left = column * side + slot.left
    cut.mosaic[row * side : (row + 1) * side, left : left + slot.width] = patch[..., ::-1]
    cut.box[at] = box
    cut.valid[at] = True
