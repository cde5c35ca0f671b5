"""Skeleton shards: tracked, chosen and ordered persons of every clip, in pixels.

Legend of shapes: N clips, T frames of a clip, P the most persons of a clip, 25 joints (BODY_25),
3 = x and y in pixels of the frame and confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import refuse
from stroi.cache.ids import ids_from_array
from stroi.cache.shards import ShardedCache
from stroi.cache.storage.assemble import Encoded, assemble_clips
from stroi.cache.storage.formats import SKELETONS
from stroi.cache.storage.hdf5 import decode
from stroi.cache.storage.schema import Array, ragged_rows


@dataclass(frozen=True)
class Clip:
    """The skeletons of one clip.

    Attributes:
        keypoints: (T, P, 25, 3) float32; (0, 0, 0) is an absent joint, all zeros an absent
            person. Persons stand from left to right.
        person_count: 1 to P.
        width: Frame width in pixels.
        height: Frame height in pixels.
        fps: Frames per second; 0 if unknown.
    """

    keypoints: NDArray[np.float32]
    person_count: int
    width: int
    height: int
    fps: float


def assemble_skeletons(ids: Sequence[str], clips: Sequence[Clip]) -> Encoded:
    """One shard; equal bytes for equal clips, whose key points are not copied.

    Args:
        ids: N sample ids, sorted.
        clips: Clip of each id.

    Raises:
        ValueError: If there are not as many clips as ids.
        RefusedInput: If ids, shapes, types or values are not as `Clip` says, or there are more
            than a file can hold.
    """
    arrays = [skeleton_fields(clip, number) for number, clip in enumerate(clips)]
    return assemble_clips(SKELETONS, ids, arrays)


def skeleton_fields(clip: Clip, number: int = 0) -> dict[str, Array]:
    """Array of each field, but the id, of a shard with this clip alone.

    Args:
        clip: The clip; its key points are not copied.
        number: Its place among others, for messages.

    Raises:
        RefusedInput: If its key points have another shape or type than `Clip` says.
    """
    shape = clip.keypoints.shape
    fits = len(shape) == 4 and shape[2:] == (25, 3) and clip.keypoints.dtype == np.float32
    if not fits or not clip.keypoints.size:
        raise refuse(
            "SCHEMA",
            f"keypoints of clip {number} are {clip.keypoints.dtype} {clip.keypoints.shape},"
            " want float32 (T, P, 25, 3)",
        )
    return {
        "frame_count": np.array([len(clip.keypoints)], np.int32),
        "person_count": np.array([clip.person_count], np.int8),
        "width": np.array([clip.width], np.int32),
        "height": np.array([clip.height], np.int32),
        "fps": np.array([clip.fps], np.float64),
        "keypoints": clip.keypoints,
    }


def decode_skeletons(path: Path) -> dict[str, Clip]:
    """Clips of a single file by id, such as those that `stroi sample` writes next to its videos.

    Raises:
        RefusedInput: As `stroi.cache.storage.hdf5.decode`.
    """
    arrays = decode(SKELETONS, path)
    ids = ids_from_array(arrays["sample_id"])
    return {sample_id: _clip(arrays, row) for row, sample_id in enumerate(ids)}


class SkeletonCache(ShardedCache):
    """A folder of skeleton shards, read by sample id.

    Args:
        folder: Folder with ``manifest.json`` and its shards.
        verify: Whether to check every digest now; skip it only for a folder that was checked.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of skeletons.
    """

    def __init__(self, folder: Path | str, *, verify: bool = True) -> None:
        super().__init__(folder, SKELETONS, verify=verify)

    def __getitem__(self, sample_id: str) -> Clip:
        """The clip of one sample, a copy.

        Raises:
            RefusedInput: ``ID_UNKNOWN``.
        """
        return _clip(*self.find(sample_id))


def _clip(arrays: dict[str, Array], row: int) -> Clip:
    frames = ragged_rows(arrays["frame_count"], row)
    return Clip(
        keypoints=arrays["keypoints"][frames].copy(),
        person_count=int(arrays["person_count"][row]),
        width=int(arrays["width"][row]),
        height=int(arrays["height"][row]),
        fps=float(arrays["fps"][row]),
    )
