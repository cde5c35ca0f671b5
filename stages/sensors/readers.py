"""The sensor formats that come with stroi, and finding one by ``skeletons3d.format``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors import ntu, nucla, pku
from stroi.stages.sensors.segment import select_segment
from stroi.trainer.plugins import NO_PARAMS, Plugin, find


class JointReader(Protocol):
    """Reads the joints of one clip, a whole file or a segment of it."""

    def __call__(self, path: Path, start: int = 0, stop: int = 0) -> JointClip:
        """The joints of frames `start` to `stop` (0: the last) of the file `path`."""
        ...


def _with_segments(read: Callable[[Path], JointClip]) -> JointReader:
    """A reader that chooses the people by the whole file."""

    def read_part(path: Path, start: int = 0, stop: int = 0) -> JointClip:
        return select_segment(read(path), path, start, stop)

    return read_part


@dataclass(frozen=True, kw_only=True)
class SensorFormat(Plugin):
    """A file format of 3D skeletons, of group ``sensors``.

    Attributes:
        read: A `JointReader`.
    """

    read: Callable[..., JointClip]


NTU = SensorFormat(read=_with_segments(ntu.read_joints))
NUCLA = SensorFormat(read=_with_segments(nucla.read_joints))
PKU = SensorFormat(read=pku.read_segment)


def reader(name: str, options: BaseModel = NO_PARAMS) -> JointReader:
    """The reader of a format, with its own params.

    Raises:
        ParamsError: As `stroi.trainer.plugins.find`.
    """
    chosen = find("sensors", name, SensorFormat)

    def read(path: Path, start: int = 0, stop: int = 0) -> JointClip:
        return chosen.read(path, start, stop, *chosen.own(options))

    return read
