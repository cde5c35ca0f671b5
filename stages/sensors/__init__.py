"""Readers of the files in which sensors left skeletons of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stroi.cache.joints import JointClip


def _ntu(path: Path) -> JointClip:
    from stroi.stages.sensors.ntu import read_joints

    return read_joints(path)


def _nucla(path: Path) -> JointClip:
    from stroi.stages.sensors.nucla import read_joints

    return read_joints(path)


READERS: dict[str, Callable[[Path], JointClip]] = {"ntu": _ntu, "nucla": _nucla}
"""By the name that ``joints.format`` gives; a reader is imported when it is first called."""
