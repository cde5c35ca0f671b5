"""The ST-ROI mosaic: K joints by L frames of crops (paper, section III.A, eq. 1, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import roi_joints
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.crop import Border, crop, overlaps

ROI_JOINTS = roi_joints()
"""BODY_25 joint of each of the K rows, from top to bottom."""
PERSONS = 2


@dataclass(frozen=True)
class Cut:
    """One clip's mosaic and where each of its cells comes from.

    K = 5 rows (head, right hand, left hand, right foot, left foot), L columns, cells h x w px.

    Attributes:
        mosaic: (K * h, L * w, 3) uint8 RGB.
        frame_index: (L,) int32 frame of each column.
        box: (2, L, K, 4) float32 x0, y0, x1, y1 of each person's crop in px of the frame, x1
            and y1 exclusive; zeros where there is none.
        confidence: (2, L, K) float32 of the joint in that frame, 0 where it is absent.
        valid: (2, L, K) bool, False where the cell (or the person's half of it) is black.
        person_count: Persons side by side in each cell, 1 or 2.
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


def cut_mosaic(
    frames: Mapping[int, NDArray[np.uint8]],
    clip: Clip,
    frame_index: NDArray[np.int32],
    params: MosaicParams,
) -> Cut:
    """Cut a clip's mosaic (eq. 1): row j, column i shows joint j in the frame tau_i.

    With one person a cell is the square of ``cell`` px around the joint. With two it has a left
    half for person 0 and a right half for person 1, each ``cell / 2`` wide and ``cell`` high around
    that person's joint. Every crop is resized by itself, so no cell bleeds into the next:
    by area mean when shrinking, bilinear when growing. With ``missing: nearest`` a missing joint's
    cell shows the same frame around the joint's place in the nearest frame that has it, the earlier
    one of two. A joint with confidence 0 is always missing.

    Args:
        frames: Frame index to frame (H, W, 3) uint8 BGR; holds every index of `frame_index`.
        clip: The clip's skeletons.
        frame_index: (L,) frames to show, one per column.
        params: Sizes and rules of the crops.

    Raises:
        ClipRejected: ``VIDEO_SIZE`` if a frame is not of the size that the skeletons were
            estimated in, ``VIDEO_FRAMES`` if they do not reach that far.
    """
    side = cell_side(params)
    rows, columns = len(ROI_JOINTS), len(frame_index)
    cut = Cut(
        mosaic=np.zeros((side * rows, side * columns, 3), np.uint8),
        frame_index=np.asarray(frame_index, np.int32),
        box=np.zeros((PERSONS, columns, rows, 4), np.float32),
        confidence=np.zeros((PERSONS, columns, rows), np.float32),
        valid=np.zeros((PERSONS, columns, rows), np.bool_),
        person_count=clip.person_count,
    )
    for column, time in enumerate(cut.frame_index.tolist()):
        frame = frames[time]
        _check_frame(frame, time, clip)
        for person, slot in enumerate(_slots(clip.person_count, params.cell, side)):
            for row, joint in enumerate(ROI_JOINTS):
                path = clip.keypoints[:, person, joint]  # (T, 2, 25, 3) -> (T, 3)
                cut.confidence[person, column, row] = _confidence(path)[time]
                place = _place(path, time, params)
                if place is not None:
                    _paste(cut, frame, place, slot, (person, column, row), params.border)
    return cut


def cell_side(params: MosaicParams) -> int:
    """Side in px of a cell of the mosaic."""
    return params.cell if params.size == "native" else params.size // len(ROI_JOINTS)


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


def _slots(person_count: int, cell: int, side: int) -> tuple[_Slot, ...]:
    if person_count == 1:
        return (_Slot(0, side, side, cell, cell),)
    half = side // 2
    return (
        _Slot(0, half, side, cell // 2, cell),
        _Slot(half, side - half, side, cell // 2, cell),
    )


def _confidence(path: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) confidence of a joint along its path (T, 3), 0 where any number is not finite."""
    return np.where(np.isfinite(path).all(axis=1), path[:, 2], np.float32(0))


def _place(
    path: NDArray[np.float32], time: int, params: MosaicParams
) -> tuple[float, float] | None:
    """Where to cut for a joint with path (T, 3) px in frame `time`; None for nowhere."""
    confidence = _confidence(path)
    present = (confidence > 0) & (confidence >= params.min_confidence)
    if not present[time]:
        if params.missing == "black" or not present.any():
            return None
        times = np.flatnonzero(present)
        time = int(times[np.argmin(np.abs(times - time))])
    return float(path[time, 0]), float(path[time, 1])


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
