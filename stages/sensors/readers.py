"""The sensor formats that come with stroi, and finding one by ``skeletons3d.format``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import BaseModel

from stroi.cache.errors import ClipRejected
from stroi.cache.rois import MAX_PEOPLE, PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors import ntu, nucla, pku
from stroi.stages.sensors.segment import select_segment
from stroi.trainer.plugins import NO_PARAMS, Plugin, find


class JointReader(Protocol):
    """Reads the joints of one clip, a whole file or a segment of it."""

    def __call__(
        self, path: Path, start: int = 0, stop: int = 0, *, people: int = PAPER_PEOPLE
    ) -> JointClip:
        """The joints of frames `start` to `stop` (0: the last) of `people` persons at most."""
        ...


def _with_segments(read: Callable[..., JointClip]) -> Callable[..., JointClip]:
    """A reader that chooses the people by the whole file."""

    def read_part(path: Path, start: int = 0, stop: int = 0, **choice: int) -> JointClip:
        return select_segment(read(path, **choice), path, start, stop)

    return read_part


@dataclass(frozen=True, kw_only=True)
class SensorFormat(Plugin):
    """A file format of 3D skeletons, of group ``sensors``.

    Attributes:
        read: A `JointReader`.
        chooses_people: Whether it takes ``people``, the most that it keeps. Of another format a
            file with more people is refused.
    """

    read: Callable[..., JointClip]
    chooses_people: bool = False


NTU = SensorFormat(read=_with_segments(ntu.read_joints), chooses_people=True)
NUCLA = SensorFormat(read=_with_segments(nucla.read_joints))
PKU = SensorFormat(read=pku.read_segment, chooses_people=True)


def reader(name: str, options: BaseModel = NO_PARAMS) -> JointReader:
    """The reader of a format, with its own params.

    Raises:
        ParamsError: As `stroi.trainer.plugins.find`.
    """
    chosen = find("sensors", name, SensorFormat)

    def read(path: Path, start: int = 0, stop: int = 0, *, people: int = PAPER_PEOPLE) -> JointClip:
        choice = {"people": people} if chosen.chooses_people else {}
        clip = chosen.read(path, start, stop, *chosen.own(options), **choice)
        return with_places(clip, people, path)

    return read


def with_places(clip: JointClip, people: int, path: Path) -> JointClip:
    """The clip with places for `people` persons; those that it lacks are absent.

    Args:
        clip: A clip with any number of places.
        people: P.
        path: Its file, for the message.

    Raises:
        ClipRejected: ``SKEL_COUNT`` if it has more persons.
    """
    if clip.person_count > people:
        raise ClipRejected(
            "SKEL_COUNT",
            f"{path.name!a}: {clip.person_count} people, a clip has at most {people}"
            " (skeletons.people)",
            remedy=f"raise skeletons.people, to {MAX_PEOPLE} at most, or leave the sample out",
        )
    frames, places, joints = clip.state.shape
    if places == people:
        return clip
    position = np.zeros((frames, people, joints, 3), np.float32)
    state = np.zeros((frames, people, joints), np.uint8)
    kept = min(places, people)
    position[:, :kept], state[:, :kept] = clip.position[:, :kept], clip.state[:, :kept]
    return replace(clip, position=position, state=state)
