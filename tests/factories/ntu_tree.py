"""A made-up tree in the format of NTU RGB+D: a few good clips, and one of every defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from ntu_people import Joints, colour, furniture, person, skeleton_lines, skeleton_text

FRAMES = 12
SIZE = (480, 270)
ID = 72057594037944738
EVERY = range(FRAMES)

Bodies = dict[int, tuple[range, Joints]]


def one(seed: int) -> Bodies:
    """Somebody who waves."""
    return {ID + seed: (EVERY, person(FRAMES, at=0.1 * (seed % 3), seed=seed))}


def two(seed: int) -> Bodies:
    """Two people, the left one with the larger id."""
    left, right = (person(FRAMES, at=at, wave=0.5, seed=seed) for at in (-0.6, 0.6))
    return {ID + 1: (EVERY, left), ID: (EVERY, right)}


def crowd(seed: int) -> Bodies:
    """Two people, somebody in the background who hardly moves, and a couch."""
    third = person(FRAMES, at=1.4, wave=0.05, seed=seed + 1)
    couch = furniture(FRAMES, at=0, seed=seed)
    return two(seed) | {ID + 2: (EVERY, third), ID + 3: (EVERY, couch)}


def renamed(seed: int) -> Bodies:
    """Somebody who is lost for two frames and found under another id."""
    joints = person(FRAMES, at=0, seed=seed)
    return {ID: (range(5), joints[:5]), ID + 1: (range(7, FRAMES), joints[7:])}


GOOD: dict[str, tuple[Callable[[int], Bodies], str]] = {
    f"S001C00{camera}P00{who}R001A{action}": (bodies, seen)
    for who, camera, action, bodies, seen in (
        (1, 1, "001", one, "1 of at most 2 people in 12 frames, seen in 100%"),
        (1, 2, "001", one, "1 of at most 2 people in 12 frames, seen in 100%"),
        (1, 3, "001", renamed, "1 of at most 2 people in 12 frames, seen in 83%"),
        (1, 1, "050", two, "2 of at most 2 people in 12 frames, seen in 100% and 100%"),
        (1, 2, "050", crowd, "2 of at most 2 people in 12 frames, seen in 100% and 100%"),
        (1, 3, "050", two, "2 of at most 2 people in 12 frames, seen in 100% and 100%"),
    )
}
"""By name: the bodies, and what the ledger says of them."""


def _edited(line: int, old: str, new: str) -> bytes:
    lines = skeleton_lines(FRAMES, one(0))
    lines[line] = lines[line].replace(old, new, 1)
    return "\n".join(lines).encode()


_X = skeleton_lines(FRAMES, one(0))[4].split()[0]
BAD: dict[str, tuple[bytes, str, str]] = {
    "S001C001P002R001A001": (skeleton_text(FRAMES, {}), "SKEL_EMPTY", "nobody in any of its 12"),
    "S001C002P002R001A001": (_edited(4, _X, "nan"), "SKEL_NONFINITE", "line 5: 'nan' is not"),
    "S001C003P002R001A001": (skeleton_text(FRAMES, one(0))[:-90], "SKEL_LINE", "line 3"),
    "S001C001P002R001A050": (_edited(3, "25", "20"), "SKEL_COUNT", "line 4: 20 joints, want 25"),
    "S001C002P002R001A050": (
        _edited(0, "12", "1000000000"), "SKEL_COUNT", "line 1: '1000000000' is no number of fra",
    ),
    "S001C003P002R001A050": (b"", "SKEL_EMPTY", "the file has 0 bytes"),
}  # fmt: skip
"""By name: a bad text, its code, and a part of what the ledger says."""

WITHOUT_SKELETON, WITHOUT_VIDEO = "S001C001P003R001A001", "S001C002P003R001A001"
BROKEN_VIDEO = "S001C003P003R001A001"
LEFT_OUT = {
    "S001C002P005R002A008": ("S001C002P005R002A008.skeleton", "LISTED_MISSING"),
    "S001C001P099R001A001": ("S001C001P099R001A001.skeleton", "NAME_UNKNOWN"),
    "S001C001P001R001A001__1_.skeleton": ("S001C001P001R001A001 (1).skeleton", "NAME_BAD"),
}
"""By what the ledger calls them: the file, and its code."""


def write_tree(raw: Path) -> Path:
    """The whole tree, in two folders."""
    rgb, skeletons = raw / "nturgb+d_rgb", raw / "nturgb+d_skeletons"
    for folder in (rgb, skeletons):
        folder.mkdir(parents=True)
    for seed, (name, (bodies, _)) in enumerate(GOOD.items()):
        (skeletons / f"{name}.skeleton").write_bytes(skeleton_text(FRAMES, bodies(seed)))
        _video(rgb / f"{name}_rgb.avi", seed, bodies(seed))
    for seed, (name, (text, *_)) in enumerate(BAD.items(), 20):
        (skeletons / f"{name}.skeleton").write_bytes(text)
        _video(rgb / f"{name}_rgb.avi", seed, one(seed))
    _video(rgb / f"{WITHOUT_SKELETON}_rgb.avi", 40, one(40))
    for seed, name in ((41, WITHOUT_VIDEO), (42, BROKEN_VIDEO)):
        (skeletons / f"{name}.skeleton").write_bytes(skeleton_text(FRAMES, one(seed)))
    (rgb / f"{BROKEN_VIDEO}_rgb.avi").write_bytes(b"no video at all")
    for file, _ in LEFT_OUT.values():
        (skeletons / file).write_bytes(skeleton_text(FRAMES, one(50)))
    return raw


def _video(path: Path, seed: int, bodies: Bodies) -> None:
    """Stick figures where the sensor saw people, before a wall of a colour of its own."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, SIZE)
    for frame in EVERY:
        picture = np.full((SIZE[1], SIZE[0], 3), 40 + 3 * seed, np.uint8)
        for where, joints in bodies.values():
            if frame in where:
                for x, y in colour(joints[frame - where.start]) * SIZE[0] / 1920:
                    cv2.circle(picture, (round(x), round(y)), 3, (40, 200, 5 * seed), -1)
        writer.write(picture)
    writer.release()
