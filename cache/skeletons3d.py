"""Joint shards: the bodies that a sensor saw, in its own space and layout (section III.B).

Legend of shapes: N clips, T frames of a clip, 2 persons, V joints of the named layout, 3 = x, y
and z in metres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import refuse
from stroi.cache.ids import ids_from_array, ids_to_array
from stroi.cache.layouts import LAYOUTS
from stroi.cache.shards import ShardedCache
from stroi.cache.storage.assemble import Encoded, assemble
from stroi.cache.storage.formats import JOINTS
from stroi.cache.storage.hdf5 import decode
from stroi.cache.storage.schema import Array, sample_digests


@dataclass(frozen=True)
class JointClip:
    """The joints of one clip.

    Attributes:
        position: (T, 2, V, 3) float32, m in the sensor's space: x to the right as the sensor
            sees it, y up, z into the room; zeros where a joint is absent.
        state: (T, 2, V) uint8: 0 absent, 1 inferred, 2 tracked. All 0 is an absent person.
        person_count: 1 or 2. Of two the first is the one further left in the colour picture.
        layout: Name of the joints' order, see `stroi.cache.layouts.LAYOUTS`.
        fps: Frames per second; 0 if unknown.
    """

    position: NDArray[np.float32]
    state: NDArray[np.uint8]
    person_count: int
    layout: str
    fps: float


def assemble_joints(ids: Sequence[str], clips: Sequence[JointClip]) -> Encoded:
    """One shard; equal bytes for equal clips, whose joints are not copied.

    Args:
        ids: N sample ids, sorted.
        clips: Clip of each id, all of one layout.

    Raises:
        ValueError: If there are not as many clips as ids.
        RefusedInput: If ids, shapes, types or values are not as `JointClip` says, or there are
            more than a file can hold.
    """
    if len(ids) != len(clips):
        raise ValueError(f"{len(ids)} ids for {len(clips)} clips")
    return assemble(
        JOINTS,
        [
            {"sample_id": ids_to_array((name,)), **arrays}
            for name, arrays in zip(ids, _to_arrays(clips), strict=True)
        ],
    )


def encode_joints(ids: Sequence[str], clips: Sequence[JointClip]) -> bytes:
    """`assemble_joints` as the bytes of an HDF5 file."""
    return b"".join(assemble_joints(ids, clips).pieces)


def decode_joints(path: Path) -> dict[str, JointClip]:
    """Clips of one shard by id, every check made but the manifest's digest.

    Raises:
        RefusedInput: See `stroi.cache.storage.hdf5.map_arrays` and
            `stroi.cache.storage.schema.check_contents`;
            ``LAYOUT`` if a clip's joints have no known layout.
    """
    arrays = decode(JOINTS, path)
    ids = ids_from_array(arrays["sample_id"])
    return {sample_id: _clip(arrays, row) for row, sample_id in enumerate(ids)}


def joint_digests(clips: Sequence[JointClip]) -> tuple[str, ...]:
    """SHA-256 of each clip as it is stored, N texts, for the manifest.

    Raises:
        RefusedInput: If the joints of a clip are not as `JointClip` says.
    """
    return tuple(sample_digests(JOINTS, arrays)[0] for arrays in _to_arrays(clips))


class JointCache(ShardedCache):
    """A folder of joint shards, read by sample id.

    Args:
        folder: Folder with ``manifest.json`` and its shards.
        verify: Whether to check every digest now; skip it only for a folder that was checked.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of joints.
    """

    def __init__(self, folder: Path | str, *, verify: bool = True) -> None:
        super().__init__(folder, JOINTS, verify=verify)

    def __getitem__(self, sample_id: str) -> JointClip:
        """The clip of one sample, a copy.

        Raises:
            RefusedInput: ``ID_UNKNOWN``, ``LAYOUT``.
        """
        return _clip(*self.find(sample_id))


def _clip(arrays: dict[str, Array], row: int) -> JointClip:
    start = int(arrays["frame_count"][:row].sum(dtype=np.int64))
    stop = start + int(arrays["frame_count"][row])
    layout = arrays["layout"][row].decode("ascii", "replace")
    position = arrays["position"][start:stop].copy()
    _check_layout(layout, position.shape[2])
    return JointClip(
        position=position,
        state=arrays["state"][start:stop].copy(),
        person_count=int(arrays["person_count"][row]),
        layout=layout,
        fps=float(arrays["fps"][row]),
    )


def _check_layout(name: str, joints: int) -> None:
    layout = LAYOUTS.get(name)
    if layout is None or len(layout.joints) != joints:
        raise refuse(
            "LAYOUT",
            f"no layout of {joints} joints is called {name!a}",
            f"the layouts are {', '.join(LAYOUTS)}",
        )


def _to_arrays(clips: Sequence[JointClip]) -> Iterator[dict[str, Array]]:
    if not clips:
        raise refuse("H5_EMPTY", "there are no joints of any clip")
    for number, clip in enumerate(clips):
        _check_layout(clip.layout, clip.position.shape[2])
        fits = len(clip.position) > 0 and clip.state.shape == clip.position.shape[:3]
        if not fits or clip.layout != clips[0].layout:
            raise refuse(
                "SCHEMA",
                f"clip {number} has {clip.layout} joints {clip.position.shape} and states"
                f" {clip.state.shape}, the first clip has {clips[0].layout}",
            )
        yield {
            "frame_count": np.array([len(clip.position)], np.int32),
            "person_count": np.array([clip.person_count], np.int8),
            "fps": np.array([clip.fps], np.float64),
            "layout": np.array([clip.layout.encode()], "S16"),
            "position": clip.position,
            "state": clip.state,
        }
