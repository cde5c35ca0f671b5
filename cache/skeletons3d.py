"""Joint shards: the bodies that a sensor saw, in its own space and layout (section III.B).

Legend of shapes: N clips, T frames of a clip, P the most persons of a clip, V joints of the named
layout, 3 = x, y and z in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import refuse
from stroi.cache.layouts import Layout
from stroi.cache.own_layouts import read_layout
from stroi.cache.shards import ShardedCache
from stroi.cache.storage.formats import JOINTS
from stroi.cache.storage.schema import Array, ragged_rows


@dataclass(frozen=True)
class JointClip:
    """The joints of one clip.

    Attributes:
        position: (T, P, V, 3) float32, m in the sensor's space: x to the right as the sensor
            sees it, y up, z into the room; zeros where a joint is absent.
        state: (T, P, V) uint8: 0 absent, 1 inferred, 2 tracked. All 0 is an absent person.
        person_count: 1 to P. They stand from left to right in the colour picture.
        layout: Its joints, in their order.
        fps: Frames per second; 0 if unknown.
    """

    position: NDArray[np.float32]
    state: NDArray[np.uint8]
    person_count: int
    layout: Layout
    fps: float


def joint_fields(clip: JointClip) -> dict[str, Array]:
    """Array of each field, but the id, of a shard with this clip alone; nothing is copied.

    Raises:
        RefusedInput: If shapes are not as `JointClip` says.
    """
    if not len(clip.position) or clip.state.shape != clip.position.shape[:3]:
        raise refuse(
            "SCHEMA", f"a clip has joints {clip.position.shape} and states {clip.state.shape}"
        )
    if clip.position.shape[2] != len(clip.layout.joints):
        raise refuse(
            "SCHEMA",
            f"a clip has {clip.position.shape[2]} joints, {clip.layout.name} has"
            f" {len(clip.layout.joints)}",
        )
    return {
        "frame_count": np.array([len(clip.position)], np.int32),
        "person_count": np.array([clip.person_count], np.int8),
        "fps": np.array([clip.fps], np.float64),
        "layout": np.array([clip.layout.name.encode()], "S16"),
        "position": clip.position,
        "state": clip.state,
    }


class JointCache(ShardedCache):
    """A folder of joint shards, read by sample id.

    Args:
        folder: Folder with ``manifest.json`` and its shards.
        verify: Whether to check every digest now; skip it only for a folder that was checked.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of joints, or the layout that
            it records is none.
    """

    def __init__(self, folder: Path | str, *, verify: bool = True) -> None:
        super().__init__(folder, JOINTS, verify=verify)
        recorded = self.manifest.producer.get("layout")
        self._recorded = None if recorded is None else self._read_layout(recorded)

    def __getitem__(self, sample_id: str) -> JointClip:
        """The clip of one sample, a copy.

        Raises:
            RefusedInput: ``ID_UNKNOWN``, ``LAYOUT``.
        """
        arrays, row = self.find(sample_id)
        name = arrays["layout"][row].decode("ascii", "replace")
        return _clip(arrays, row, self._layout(name, arrays["position"].shape[2]))

    def _layout(self, name: str, joints: int) -> Layout:
        """The layout of a shard: the one that the manifest records, or one that stroi ships."""
        layout = self._recorded or self._read_layout(name)
        if (layout.name, len(layout.joints)) != (name, joints):
            raise refuse(
                "LAYOUT",
                f"{self.folder}: {joints} joints of {name!a} are not those of {layout.name}, which"
                f" has {len(layout.joints)}",
            )
        return layout

    def _read_layout(self, value: object) -> Layout:
        try:
            return read_layout(value)
        except ValueError as error:
            raise refuse("LAYOUT", f"{self.folder}: {error}") from None


def _clip(arrays: dict[str, Array], row: int, layout: Layout) -> JointClip:
    frames = ragged_rows(arrays["frame_count"], row)
    return JointClip(
        position=arrays["position"][frames].copy(),
        state=arrays["state"][frames].copy(),
        person_count=int(arrays["person_count"][row]),
        layout=layout,
        fps=float(arrays["fps"][row]),
    )
