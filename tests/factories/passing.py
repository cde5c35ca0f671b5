"""Rendered clips of two people who walk past each other, and who is who in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25
from stroi.stages.demo.backgrounds import MARGIN, background
from stroi.stages.demo.body import SIDES, Pose, assemble, head, legs, placed, spread
from stroi.stages.demo.camera import Camera, camera
from stroi.stages.demo.clips import DemoClip
from stroi.stages.demo.person_rendering import ProjectedPerson, cast_shadow, person_parts
from stroi.stages.demo.pose_parts import angled, ease, trunk
from stroi.stages.demo.randomisation import Nuisance, draw_nuisance, generator
from stroi.stages.demo.textures import paint_appearance

Way = Literal["cross", "return"]
"""Whether two people who meet walk on, or turn round and leave as they came."""

SIZE = (320, 240)
FPS = 15.0
FAR = 1.15
"""Metres from the middle at which each of the two starts and ends."""


@dataclass(frozen=True)
class Passing:
    """One clip of T frames.

    Attributes:
        people: The two people before the camera; person 0 starts on the left.
        nuisance: Clothes, light and background.
        joints: (T, 2, 25, 3) px, confidence 1.
    """

    people: tuple[ProjectedPerson, ProjectedPerson]
    nuisance: Nuisance
    joints: NDArray[np.float32]

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """T pictures (H, W, 3) uint8 BGR."""
        drawn = self.nuisance
        appearances = [
            paint_appearance(b, o) for b, o in zip(drawn.bodies, drawn.outfits, strict=True)
        ]
        scene = background(drawn.scene, drawn.scene_seed, SIZE)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        noise = np.random.default_rng(drawn.noise_seed)
        for frame in range(len(self.joints)):
            image = scene.copy()
            for figure in self.people:
                cast_shadow(image, figure, frame)
            parts = [
                part
                for figure, clothes in zip(self.people, appearances, strict=True)
                for part in person_parts(figure, clothes, drawn.light, frame)
            ]
            for _, paint in sorted(parts, key=lambda part: part[0]):
                paint(image)
            blurred = cv2.GaussianBlur(image, (3, 3), 0.55)
            noisy = blurred + noise.normal(0, 1.5, image.shape)
            yield np.rint(noisy).clip(0, 255).astype(np.uint8)


def passing(seed: int, way: Way = "cross") -> Passing:
    """Draw a clip: who passes in front, how fast, from which view, in what clothes.

    Args:
        seed: Of everything drawn.
        way: What they do when they meet.
    """
    rng = generator(seed, "passing", way)
    clip = DemoClip("passing", "step_slow", f"s{seed:02d}", "c1", "step", seed)
    nuisance = draw_nuisance(clip)
    frames = int(rng.integers(36, 60))
    frame = np.arange(frames, dtype=np.float64)
    beyond, depth = FAR + rng.uniform(0, 0.1, 2), rng.uniform(0.22, 0.45) * rng.choice([-1, 1])
    share = frame / (frames - 1)
    near = float(rng.uniform(0.1, 0.3))
    x = 2 * share - 1 if way == "cross" else -near - (1 - near) * np.cos(np.pi * share) ** 2
    paths = [sign * beyond[one] * x for one, sign in enumerate((1.0, -1.0))]
    view = camera("c1", nuisance, SIZE)
    view = Camera(float(rng.uniform(-0.15, 0.15)), 1.3, view.focal, view.centre)
    seen = tuple(
        ProjectedPerson(
            _walk(nuisance, one, paths[one], sign * depth, rng), view, np.zeros((frames, 2))
        )
        for one, sign in enumerate((1.0, -1.0))
    )
    joints = np.ones((frames, 2, len(BODY_25.joints), 3), np.float32)
    for one, figure in enumerate(seen):
        joints[:, one, :, :2] = np.stack([figure.pixels[name] for name in BODY_25.joints], axis=1)
    return Passing((seen[0], seen[1]), nuisance, joints)


def _walk(
    nuisance: Nuisance, one: int, x: NDArray[np.float64], z: float, rng: np.random.Generator
) -> Pose:
    """Someone who steps along `x` (T,) metres at depth `z`, turned the way they walk."""
    frame = np.arange(len(x), dtype=np.float64)
    body = nuisance.bodies[one]
    rig = trunk(nuisance, frame, body)
    phase = 2 * np.pi * (rng.uniform() + frame / rng.uniform(12, 16))
    raised, arms = {}, {}
    for side, sign in SIDES.items():
        swing = np.sin(phase) * sign
        raised[side] = 0.09 * body.height * ease(0.62 * swing + 0.38)
        upper = spread(len(x), sign * 0.22, -1.0, -0.4 * swing)
        fore = spread(len(x), sign * 0.05, -0.9, 0.3 - 0.4 * swing)
        arms[side] = angled(rig, side, upper, fore)
    pose = assemble(rig, arms, legs(rig, raised, 0.058), head(rig, 0.0, 0.0))
    angle = float(rng.uniform(0.5, 0.9) * (1, -1)[one])
    turned = placed(pose, angle, (0.0, 0.0, z))
    path = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
    return replace(turned, points={name: value + path for name, value in turned.points.items()})


def estimated(clip: Passing, seed: int, *, merged: float = 0.2) -> list[NDArray[np.float32]]:
    """What an estimator makes of a clip: per frame (P, 25, 3), in no order.

    Joints are off by 2 % of the body height and some are missing; while the two overlap, mostly
    one is found, some of its joints taken from the other; a tenth of the frames lacks somebody,
    and here and there stands a ghost.

    Args:
        clip: The clip.
        seed: Of everything drawn.
        merged: Distance of the two, in body heights, below which they may be found as one.
    """
    rng = np.random.default_rng(seed)
    height = float(np.ptp(clip.joints[..., 1], axis=2).mean())
    near = [float(figure.pose.points["mid_hip"][0, 2]) for figure in clip.people]
    front = int(np.argmax(near))
    found = []
    for people in clip.joints:
        seen = people.copy()
        seen[..., :2] += rng.normal(0, 0.02 * height, seen[..., :2].shape)
        seen[..., :2] += rng.normal(0, 1.5, (2, 1, 2))
        seen[..., 2] = 0.6 * (rng.random((2, 25)) >= 0.08)
        kept = [0, 1]
        if abs(people[0, 8, 0] - people[1, 8, 0]) < merged * height and rng.random() < 0.75:
            mixed = rng.random(25) < rng.choice([0, 0.2, 0.5])
            seen[front, mixed] = seen[1 - front, mixed]
            kept = [front]
        if rng.random() < 0.1:
            kept.remove(int(rng.choice(kept)))
        figures = [seen[person] for person in kept]
        if rng.random() < 0.03:
            ghost = people[0] * [1, 1, 0.3]
            ghost[:, :2] += rng.normal(0, 60, 2) + rng.normal(0, 0.1 * height, (25, 2))
            figures.append(ghost)
        rng.shuffle(figures)
        pose = np.array(figures, np.float32).reshape(-1, 25, 3)
        pose[:, 19:] = 0
        found.append(pose * (pose[..., 2:] > 0))
    return found


def swaps(tracks: NDArray[np.float32], joints: NDArray[np.float32]) -> int:
    """How often a track goes from one true person to the other.

    Counted over the frames in which the two stand a third of their height apart.

    Args:
        tracks: (tracks, T, 25, 3) px.
        joints: (T, 2, 25, 3) px, the truth.
    """
    height = np.ptp(joints[..., 1], axis=2).mean(axis=1)
    apart = np.abs(joints[:, 0, 8, 0] - joints[:, 1, 8, 0]) > 0.35 * height
    count = 0
    for track in tracks:
        seen = track[..., 2] > 0
        away = np.linalg.norm(track[:, None, :, :2] - joints[..., :2], axis=-1)
        mean = (away * seen[:, None]).sum(axis=2) / np.maximum(seen.sum(axis=1), 1)[:, None]
        sure = seen.any(axis=1) & apart & (mean.min(axis=1) < 0.25 * height)
        count += int(np.count_nonzero(np.diff(mean[sure].argmin(axis=1))))
    return count
