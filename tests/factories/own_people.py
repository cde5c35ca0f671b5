"""A made-up data set of 3D skeletons with 13 joints of its own, with a camera and videos if wanted.

Legend of shapes: T frames, V = 13 joints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LAYOUT: dict[str, Any] = {
    "name": "stick13",
    "joints": [
        "top", "RSh", "REl", "RWr", "LSh", "LEl", "LWr", "RHip", "RKn", "RAn", "LHip", "LKn", "LAn",
    ],
    "bones": [
        ["top", "RSh"], ["RSh", "REl"], ["REl", "RWr"], ["top", "LSh"], ["LSh", "LEl"],
        ["LEl", "LWr"], ["RSh", "RHip"], ["RHip", "RKn"], ["RKn", "RAn"], ["LSh", "LHip"],
        ["LHip", "LKn"], ["LKn", "LAn"],
    ],
    "centre": "top",
    "pairs": [
        ["LSh", "RSh"], ["LEl", "REl"], ["LWr", "RWr"], ["LHip", "RHip"], ["LKn", "RKn"],
        ["LAn", "RAn"],
    ],
    "body25": {
        "nose": "top", "right_shoulder": "RSh", "left_shoulder": "LSh", "right_wrist": "RWr",
        "left_wrist": "LWr", "right_hip": "RHip", "left_hip": "LHip", "right_ankle": "RAn",
        "left_ankle": "LAn",
    },
}  # fmt: skip
CAMERA: dict[str, Any] = {
    "size": [320, 240],
    "focal": [300.0, 300.0],
    "centre": [160.0, 120.0],
    "rotation": [[1, 0, 0], [0, -1, 0], [0, 0, 1]],
    "translation": [0.0, 0.9, 3.0],
}
"""In front of people who stand at the origin, y up."""

CLASSES = ("raise", "kick", "bow")
FRAMES = 24

_STANDING = np.array([
    [0, 1.7, 0], [-0.2, 1.4, 0], [-0.25, 1.1, 0], [-0.27, 0.85, 0], [0.2, 1.4, 0], [0.25, 1.1, 0],
    [0.27, 0.85, 0], [-0.12, 0.9, 0], [-0.13, 0.45, 0], [-0.14, 0.05, 0], [0.12, 0.9, 0],
    [0.13, 0.45, 0], [0.14, 0.05, 0],
])  # fmt: skip


def person(label: str, seed: int, frames: int = FRAMES) -> NDArray[np.float64]:
    """(T, V, 3) m of one person who does what the class says, each a little differently."""
    random = np.random.default_rng(seed)
    joints = np.repeat(_STANDING[None] * random.uniform(0.9, 1.1), frames, axis=0)
    phase = np.sin(np.linspace(0, np.pi, frames))[:, None] * random.uniform(0.8, 1.0)
    if label == "raise":
        joints[:, [2, 3, 5, 6], 1] += phase * np.array([0.4, 0.9, 0.4, 0.9])
    elif label == "kick":
        joints[:, [8, 9], 1] += phase * np.array([0.2, 0.5])
        joints[:, [8, 9], 2] -= phase * np.array([0.3, 0.6])
    else:
        joints[:, :7, 1] -= phase * 0.4
        joints[:, :7, 2] -= phase * 0.4
    joints += random.normal(0, 0.005, joints.shape)
    return joints + random.uniform(-0.2, 0.2, 3) * (1, 0, 1)


def pixels(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, V, 2) px in the picture of `CAMERA`, by its formula."""
    x, y, z = joints[..., 0], 0.9 - joints[..., 1], joints[..., 2] + 3.0
    return np.stack([160 + 300 * x / z, 120 + 300 * y / z], axis=-1)


def write_data_set(
    folder: Path, clips: int = 60, *, videos: bool = False, frames: int = FRAMES
) -> Path:
    """``CLASS/SUBJECT_NUMBER.npz``, the layout, and with videos the camera; ten subjects."""
    folder.mkdir(parents=True)
    (folder / "layout.yaml").write_text(json.dumps(LAYOUT))
    for number in range(clips):
        label, subject = CLASSES[number % len(CLASSES)], f"p{number // len(CLASSES) % 10}"
        joints = person(label, number, frames)
        (folder / label).mkdir(exist_ok=True)
        name = folder / label / f"{subject}_{number:02d}"
        np.savez(name, position=joints[:, None].astype(np.float32))
        if videos:
            draw(name.with_suffix(".avi"), pixels(joints), number)
    if videos:
        (folder / "camera.yaml").write_text(json.dumps(CAMERA))
    return folder


def draw(path: Path, places: NDArray[np.float64], seed: int = 0) -> None:
    """A video of 320 x 240 px of a person with joints (T, V, 2)."""
    random = np.random.default_rng(seed)
    ground = random.integers(40, 90, (240, 320, 3), np.uint8)
    names = LAYOUT["joints"]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (320, 240))
    for frame in places.round().astype(int):
        picture = ground.copy()
        for one, other in LAYOUT["bones"]:
            ends = (frame[names.index(joint)].tolist() for joint in (one, other))
            cv2.line(picture, *ends, (200, 200, 230), 4)
        for number, joint in enumerate(frame.tolist()):
            cv2.circle(picture, joint, 5, (30, 20 * number, 255 - 15 * number), -1)
        writer.write(picture)
    writer.release()
