"""Skeletons of one's own: a .npz or .csv file per clip (docs/own-skeletons.md).

Legend of shapes: T frames of the file, M people in it, P people of the clip, V joints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.rois import MAX_PEOPLE, PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.pipeline.params.own_skeletons import CameraParams, OwnSkeletonParams
from stroi.stages.sensors.own_files import read_csv, read_npz, rejected
from stroi.stages.sensors.segment import select_segment

MAX_METRES = 100.0
"""Largest magnitude of a coordinate in m."""

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True)
class OwnSkeleton:
    """The people of a whole file, from left to right.

    Attributes:
        position: (T, P, V, 3) float32, m; zeros where a joint is absent.
        present: (T, P, V) bool.
        pixels: (T, P, V, 2) float32, px of the picture, zeros where a joint is not in front of the
            camera; None if neither the file nor a camera says.
        size: Width and height in px of that picture; None if it is the video's own.
    """

    position: NDArray[np.float32]
    present: NDArray[np.bool_]
    pixels: NDArray[np.float32] | None
    size: tuple[int, int] | None


def read_joints(
    path: Path,
    own: OwnSkeletonParams,
    camera: str = "",
    start: int = 0,
    stop: int = 0,
    *,
    people: int = PAPER_PEOPLE,
) -> JointClip:
    """The joints of one clip, a whole file or a segment of it.

    Raises:
        ClipRejected: As `read_own` and `stroi.stages.sensors.segment.select_segment`.
    """
    whole = read_own(path, own, camera, people)
    position = np.zeros((len(whole.position), people, *whole.position.shape[2:]), np.float32)
    state = np.zeros(position.shape[:3], np.uint8)
    count = whole.position.shape[1]
    position[:, :count], state[:, :count] = whole.position, 2 * whole.present
    clip = JointClip(position, state, count, own.joints, 0.0)
    return select_segment(clip, path, start, stop)


def read_own(
    path: Path, own: OwnSkeletonParams, camera: str = "", most: int = PAPER_PEOPLE
) -> OwnSkeleton:
    """The people of a file.

    A joint is absent where a coordinate is NaN, or all three are 0. The file's own pixels count,
    else those that the camera gives.

    Args:
        path: The file.
        own: Joints, unit and cameras.
        camera: The index's name of the clip's camera.
        most: Most people that it may have.

    Raises:
        ClipRejected: ``SKEL_OPEN`` (cannot be read, or too large), ``SKEL_FORMAT`` (no such file as
            the docs describe), ``SKEL_COUNT`` (other joints than the layout's, or more people than
            `most`), ``SKEL_NONFINITE`` (infinite, or beyond 100 m) or ``SKEL_EMPTY`` (no frame, or
            no joint in any).
    """
    layout = own.joints
    read = read_npz if path.name.lower().endswith(".npz") else read_csv
    arrays = read(path, layout)
    position = arrays["position"]
    if np.isinf(position).any():
        raise rejected("SKEL_NONFINITE", path, "a coordinate is infinite")
    present = np.isfinite(position).all(axis=3) & (position != 0).any(axis=3)  # (T, M, V)
    people = np.unique(np.nonzero(present)[1])
    if not len(people):
        raise rejected("SKEL_EMPTY", path, f"not one joint in {len(position)} frames")
    if len(people) > most:
        more = f", or set skeletons.people to {len(people)}" if len(people) <= MAX_PEOPLE else ""
        problem = f"{len(people)} people, a clip has at most {most} (skeletons.people)"
        raise rejected("SKEL_COUNT", path, problem, f"keep those who act{more}")
    position, present = position[:, people], present[:, people]
    metres = position * UNITS[own.unit]
    if np.abs(metres[present]).max() > MAX_METRES:
        frame = int(np.argwhere(np.abs(metres) > MAX_METRES)[0, 0])
        remedy = f"set skeletons.own.unit, which is {own.unit}, to the unit of the files"
        raise rejected("SKEL_NONFINITE", path, f"frame {frame}: beyond {MAX_METRES:g} m", remedy)
    pixels, size = _pixels(arrays, people, position, own.camera(camera))
    seen = metres if pixels is None else pixels
    order = sorted(range(len(people)), key=lambda one: _left(seen[:, one], present[:, one]))
    kept = present[:, order]
    shown = None
    if pixels is not None:
        known = kept & np.isfinite(pixels[:, order]).all(axis=3)
        shown = _zero_where_not(known, pixels[:, order])
    return OwnSkeleton(_zero_where_not(kept, metres[:, order]), kept, shown, size)


def _zero_where_not(known: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(known[..., None], values, 0).astype(np.float32)


def project(points: NDArray[np.float64], camera: CameraParams) -> NDArray[np.float64]:
    """Where points are in a camera's picture.

    Args:
        points: (..., 3) in the unit of the camera's translation.
        camera: The camera.

    Returns:
        (..., 2) px; NaN for points that are not in front of it.
    """
    seen = points @ np.array(camera.rotation).T + np.array(camera.translation)
    front = seen[..., 2] > 0
    matrix = np.array(
        [[camera.focal[0], 0, camera.centre[0]], [0, camera.focal[1], camera.centre[1]], [0, 0, 1]]
    )
    flat = np.where(front[..., None], seen, (0.0, 0.0, 1.0)).reshape(-1, 3)
    lens = np.array(camera.distortion) if camera.distortion else None
    pixels, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, lens)
    return np.where(front[..., None], pixels.reshape(*points.shape[:-1], 2), np.nan)


def _pixels(
    arrays: Mapping[str, NDArray[np.float64]],
    people: NDArray[np.intp],
    position: NDArray[np.float64],
    camera: CameraParams | None,
) -> tuple[NDArray[np.float64] | None, tuple[int, int] | None]:
    """(T, P, V, 2) px of the chosen people, NaN where unknown, and the size of the picture."""
    if "pixels" in arrays:
        pixels = arrays["pixels"][:, people]
        # A place that is not given is (0, 0) in the files of many estimators.
        pixels = np.where(pixels.any(axis=3, keepdims=True), pixels, np.nan)
        size = arrays.get("size")
        return pixels, None if size is None else (int(size[0]), int(size[1]))
    return (None, None) if camera is None else (project(position, camera), camera.size)


def _left(places: NDArray[np.float64], present: NDArray[np.bool_]) -> float:
    """Median x of a person's joints, those that have one."""
    x = places[..., 0][present & np.isfinite(places[..., 0])]
    return float(np.median(x)) if len(x) else math.inf
