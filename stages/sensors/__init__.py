"""Readers of the files in which sensors left skeletons of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from stroi.cache.skeletons3d import JointClip


class JointReader(Protocol):
    """Reads the joints of one clip, which is a whole file unless frames of it are named."""

    def __call__(self, path: Path, start: int = 0, stop: int = 0) -> JointClip:
        """The joints of frames `start` to `stop` (0: the last) of the file `path`."""
        ...


def _ntu(path: Path, start: int = 0, stop: int = 0) -> JointClip:
    from stroi.stages.sensors.ntu import read_joints
    from stroi.stages.sensors.segment import part

    return part(read_joints(path), path, start, stop)


def _nucla(path: Path, start: int = 0, stop: int = 0) -> JointClip:
    from stroi.stages.sensors.nucla import read_joints
    from stroi.stages.sensors.segment import part

    return part(read_joints(path), path, start, stop)


def _pku(path: Path, start: int = 0, stop: int = 0) -> JointClip:
    from stroi.stages.sensors.pku import read_segment

    return read_segment(path, start, stop)


READERS: dict[str, JointReader] = {"ntu": _ntu, "nucla": _nucla, "pku": _pku}
"""By the name that ``joints.format`` gives; a reader is imported when it is first called."""
