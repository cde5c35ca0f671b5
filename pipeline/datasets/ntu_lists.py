"""What is known of NTU RGB+D 60 and 120: every recording, class and protocol, and the bad ones.

A sample is called ``SsssCcccPpppRrrrAaaa``: setup, camera, performer, replication, action. Each
performer of a setup was recorded twice by three cameras in all actions of that setup, so that
the performers of the setups give all names: 56,880 and 114,480. 302 and 535 of them have a missing
or broken skeleton by the data set's own lists; published sizes leave those out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

NAME = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}", re.ASCII)
CAMERAS = ("C001", "C002", "C003")
REPLICATIONS = ("R001", "R002")
SETUPS_60 = 17
"""Setups of NTU RGB+D 60; the further ones of 120 show the further classes."""
CLASSES_60 = 60

TRAIN_60 = frozenset(
    f"P{number:03d}"
    for number in (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
)
"""Training subjects of X-Sub."""
TRAIN_120 = TRAIN_60 | frozenset(
    f"P{number:03d}"
    for number in (
        45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85,
        86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
    )
)  # fmt: skip
"""Training subjects of X-Sub of NTU RGB+D 120."""


class Name(NamedTuple):
    """The parts of a sample's name, each as a letter and three digits."""

    setup: str
    camera: str
    performer: str
    replication: str
    action: str

    @classmethod
    def of(cls, sample: str) -> Name:
        """The parts of `sample`, which is as `NAME` says."""
        return cls(*(sample[at : at + 4] for at in range(0, 20, 4)))


@dataclass(frozen=True)
class Protocol:
    """A published division.

    Attributes:
        split: Name of its split in the shipped profile.
        title: Its usual name.
        trains: Whether a sample of this name is a training sample.
        sizes: Training and test samples of the whole data set.
    """

    split: str
    title: str
    trains: Callable[[Name], bool]
    sizes: tuple[int, int]


@dataclass(frozen=True)
class NtuSet:
    """One of the two data sets.

    Attributes:
        title: Its name.
        setups: How many of the setups belong to it.
        protocols: How it is divided.
    """

    title: str
    setups: int
    protocols: tuple[Protocol, ...]


NTU_60 = NtuSet(
    "NTU RGB+D 60",
    SETUPS_60,
    (
        Protocol("xsub", "X-Sub", lambda name: name.performer in TRAIN_60, (40_091, 16_487)),
        Protocol("xview", "X-View", lambda name: name.camera != "C001", (37_646, 18_932)),
    ),
)
NTU_120 = NtuSet(
    "NTU RGB+D 120",
    32,
    (
        Protocol("xsub120", "X-Sub", lambda name: name.performer in TRAIN_120, (63_026, 50_919)),
        Protocol("xset120", "X-Set", lambda name: int(name.setup[1:]) % 2 == 0, (54_468, 59_477)),
    ),
)


@cache
def class_names() -> dict[str, str]:
    """Class name by action: ``A001 drink water`` to ``A120 finger-guessing game``."""
    return {line[:4]: line for line in _lines("ntu_classes.txt")}


@cache
def listed_missing() -> frozenset[str]:
    """The 535 samples that the data set lists as having no good skeleton; 302 are of the 60."""
    return frozenset(_lines("ntu_missing.txt"))


@cache
def performers() -> dict[str, tuple[str, ...]]:
    """Performers of each of the 32 setups."""
    return {line[:4]: tuple(line[4:].split()) for line in _lines("ntu_performers.txt")}


def actions(setup: str) -> tuple[str, ...]:
    """Actions that were recorded in a setup."""
    later = int(setup[1:]) > SETUPS_60
    every = tuple(class_names())
    return every[CLASSES_60:] if later else every[:CLASSES_60]


@cache
def names(ntu: NtuSet) -> tuple[str, ...]:
    """Names of all samples of a data set, the listed missing ones included."""
    return tuple(
        f"{setup}{camera}{performer}{replication}{action}"
        for setup in list(performers())[: ntu.setups]
        for camera in CAMERAS
        for performer in performers()[setup]
        for replication in REPLICATIONS
        for action in actions(setup)
    )


@cache
def good_names(ntu: NtuSet) -> tuple[str, ...]:
    """Names of all samples that are not listed as missing."""
    return tuple(name for name in names(ntu) if name not in listed_missing())


def unknown_part(sample: str, ntu: NtuSet) -> str:
    """Why no sample of a data set has this name, which is as `NAME` says; empty if one has."""
    if sample in _known(ntu):
        return ""
    name = Name.of(sample)
    if name.setup not in list(performers())[: ntu.setups]:
        return f"{ntu.title} has no setup {name.setup}"
    parts = (
        ("camera", name.camera, CAMERAS),
        ("performer", name.performer, performers()[name.setup]),
        ("replication", name.replication, REPLICATIONS),
        ("action", name.action, actions(name.setup)),
    )
    what, value = next((what, value) for what, value, known in parts if value not in known)
    return f"setup {name.setup} has no {what} {value}"


@cache
def _known(ntu: NtuSet) -> frozenset[str]:
    return frozenset(names(ntu))


def _lines(file: str) -> list[str]:
    return (Path(__file__).parent / "data" / file).read_text(encoding="utf-8").splitlines()
