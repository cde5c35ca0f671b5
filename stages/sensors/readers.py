"""The reader of each sensor format, by the name that ``joints.format`` gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from stroi.cache.rois import PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors import ntu, nucla, pku
from stroi.stages.sensors.segment import select_segment


class JointReader(Protocol):
    """Reads the joints of one clip, a whole file or a segment of it."""

    def __call__(
        self, path: Path, start: int = 0, stop: int = 0, people: int = PAPER_PEOPLE
    ) -> JointClip:
        """The joints of at most `people` in frames `start` to `stop` (0: the last) of a file."""
        ...


def _with_segments(read: Callable[[Path, int], JointClip]) -> JointReader:
    """A reader that chooses the people by the whole file."""

    def read_part(
        path: Path, start: int = 0, stop: int = 0, people: int = PAPER_PEOPLE
    ) -> JointClip:
        return select_segment(read(path, people), path, start, stop)

    return read_part


READERS: dict[str, JointReader] = {
    "ntu": _with_segments(ntu.read_joints),
    "nucla": _with_segments(nucla.read_joints),
    "pku": pku.read_segment,
}
