"""A person as a list of solids to paint, farthest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from stroi.stages.demo.body import HEAD_RADII, SIDES, Points, Pose
from stroi.stages.demo.camera import Camera
from stroi.stages.demo.pose_parts import HeldObject
from stroi.stages.demo.raster import (
    Image,
    Light,
    Vector,
    ball,
    barrel,
    capsule,
    picture,
    shadow,
)
from stroi.stages.demo.textures import Appearance

Part = tuple[float, Callable[[Image], None]]
"""Nearness to the camera in metres (painted in rising order), and what to paint."""

_LIMBS: tuple[tuple[str, str, float, float, str, float], ...] = (
    ("hip", "knee", 0.058, 0.041, "trousers", -0.12),
    ("knee", "ankle", 0.041, 0.027, "trousers", 0.0),
    ("heel", "big_toe", 0.027, 0.021, "shoes", 0.02),
    ("shoulder", "elbow", 0.031, 0.027, "shirt", 0.02),
    ("elbow", "wrist", 0.026, 0.018, "sleeve", 0.04),
    ("wrist", "hand", 0.018, 0.021, "skin", 0.05),
)
"""From, to, radius at both as shares of the height, surface, nearness added."""
_PROFILE_STEPS = (0.0, 0.05, 0.10, 0.17, 0.30, 0.55, 0.80, 0.95, 1.0)
_PROFILE_WIDE = (0.032, 0.070, 0.106, 0.118, 0.110, 0.093, 0.096, 0.098, 0.092)
_PROFILE_DEEP = (0.030, 0.040, 0.055, 0.068, 0.075, 0.070, 0.074, 0.074, 0.068)
_FINGERS = (-0.42, -0.14, 0.14, 0.42)


class ProjectedPerson:
    """A pose as one camera sees it.

    Args:
        pose: The pose in the scene.
        camera: The camera.
        shift: (T, 2) displacement of the picture in pixels.

    Attributes:
        pose: The pose.
        pixels: (T, 2) pixels by name of the point.
        scale: (T,) pixels per metre by name.
        near: (T,) nearness to the camera in metres by name.
        trunk: (T, 3, 3) rows left, up, front of the chest as image right, image up, to the camera.
        face: (T, 3, 3) the same of the head.
    """

    def __init__(self, pose: Pose, camera: Camera, shift: Points) -> None:
        self.pose = pose
        axes = camera.axes()
        self.pixels: dict[str, Points] = {}
        self.scale: dict[str, Points] = {}
        self.near: dict[str, Points] = {}
        for name, points in pose.points.items():
            pixels, self.scale[name] = camera.project(points)
            self.pixels[name] = pixels + shift
            self.near[name] = nearness(points, camera)
        self.trunk = pose.trunk @ axes.T
        self.face = pose.face @ axes.T

    def at(self, name: str, frame: int) -> Vector:
        """Pixel of the point `name`."""
        x, y = self.pixels[name][frame]
        return float(x), float(y)

    def metres(self, name: str, frame: int) -> float:
        """Pixels per metre at the point `name`."""
        return float(self.scale[name][frame])


def nearness(points: Points, camera: Camera) -> Points:
    """Metres towards the camera along the floor; a painting order that height does not tip."""
    near: Points = points[..., 0] * np.sin(camera.yaw) + points[..., 2] * np.cos(camera.yaw)
    return near


def person_parts(
    person: ProjectedPerson, appearance: Appearance, light: Light, frame: int
) -> Iterator[Part]:
    """Solids of one person in one frame."""
    height = person.pose.body.height
    for side in SIDES:
        for start, end, wide, narrow, surface, bias in _LIMBS:
            a, b = f"{side}_{start}", f"{side}_{end}"
            build = person.pose.body.build if surface != "skin" else 1.0
            radii = (
                wide * build * height * person.metres(a, frame),
                narrow * build * height * person.metres(b, frame),
            )
            near = 0.5 * float(person.near[a][frame] + person.near[b][frame]) + bias
            ends = person.at(a, frame), person.at(b, frame)
            texels: Image = getattr(appearance, surface)
            yield near, partial(_capsule, light, ends, radii, texels)
    yield from _trunk_parts(person, appearance, light, frame)
    yield from _head_parts(person, appearance, light, frame)
    if person.pose.open_hand:
        yield from _finger_parts(person, appearance, light, frame)


def _capsule(
    light: Light, ends: tuple[Vector, Vector], radii: Vector, texels: Image, image: Image
) -> None:
    """`capsule` with the picture last."""
    capsule(image, light, ends, radii, texels)


def _trunk_parts(
    person: ProjectedPerson, appearance: Appearance, light: Light, frame: int
) -> Iterator[Part]:
    """Hips, chest and neck."""
    body = person.pose.body
    metre = person.metres("mid_hip", frame)
    unit_px = body.height * metre
    ends = person.at("right_hip", frame), person.at("left_hip", frame)
    radius = 0.062 * body.build * unit_px
    near = float(person.near["mid_hip"][frame])
    yield near + 0.01, partial(_capsule, light, ends, (radius, radius), appearance.trousers)
    left, up = person.trunk[frame, 0], person.trunk[frame, 1]
    slant = float(np.hypot(left[0], left[1]))
    wide, deep = (np.interp(np.linspace(0, 1, 25), _PROFILE_STEPS, p)
                  for p in (_PROFILE_WIDE, _PROFILE_DEEP))  # fmt: skip
    half = np.hypot(wide * slant, deep * np.sqrt(max(1 - slant**2, 0.0)))
    profile = (half * body.build * unit_px).astype(np.float32)
    top, bottom = np.array(person.at("neck", frame)), np.array(person.at("mid_hip", frame))
    along = np.array([up[0], -up[1]]) * unit_px
    top, bottom = top + 0.034 * along, bottom - 0.045 * along
    chest = (float(top[0]), float(top[1])), (float(bottom[0]), float(bottom[1]))
    yield near + 0.03, lambda image: barrel(image, light, chest, profile, appearance.shirt)
    neck = person.at("neck", frame), person.at("head", frame)
    thick = 0.032 * body.build * unit_px
    yield near + 0.04, partial(_capsule, light, neck, (thick, thick * 0.95), appearance.skin)


def _head_parts(
    person: ProjectedPerson, appearance: Appearance, light: Light, frame: int
) -> Iterator[Part]:
    """Hair behind, ears, head."""
    body = person.pose.body
    px = body.height * person.metres("head", frame)
    wide, tall, deep = (radius * px for radius in HEAD_RADII)
    axes = person.face[frame]
    slant = float(axes[2, 2]) ** 2
    rx = (wide**2 * slant + deep**2 * (1 - slant)) ** 0.5
    x, y = person.at("head", frame)
    near = float(person.near["head"][frame]) + 0.05
    back = x - 0.25 * wide * float(axes[2, 0]), y - 0.10 * tall
    crown = (back, (back[0], back[1] + 0.02 * tall))
    yield near, partial(_capsule, light, crown, (1.09 * rx, 1.09 * rx), appearance.hair)
    if body.long_hair:
        fall = back, (back[0], y + 1.35 * tall)
        yield near - 0.12, partial(_capsule, light, fall, (1.12 * rx, 1.0 * rx), appearance.hair)
    for side in SIDES:
        ex, ey = person.at(f"{side}_ear", frame)
        ear = (ex, ey - 0.12 * tall), (ex, ey + 0.12 * tall)
        visible = (
            near + float(person.near[f"{side}_ear"][frame] - person.near["head"][frame]) + 0.02
        )
        yield visible, partial(_capsule, light, ear, (0.22 * wide, 0.18 * wide), appearance.skin)
    turned = axes.astype(np.float32)
    yield (
        near + 0.01,
        lambda image: ball(image, light, (x, y), (rx, tall), turned, appearance.globe),
    )


def _finger_parts(
    person: ProjectedPerson, appearance: Appearance, light: Light, frame: int
) -> Iterator[Part]:
    """Four spread fingers of the open right hand."""
    wrist, tips = (
        np.array(person.at("right_wrist", frame)),
        np.array(person.at("right_hand", frame)),
    )
    hand = tips - wrist
    aside = np.array([-hand[1], hand[0]])
    near = float(person.near["right_hand"][frame]) + 0.07
    thick = 0.0075 * person.pose.body.height * person.metres("right_hand", frame)
    for turn in _FINGERS:
        start, end = wrist + 0.6 * hand + 0.5 * turn * aside, tips + 0.42 * hand + turn * aside
        ends = (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))
        yield near, partial(_capsule, light, ends, (thick, 0.8 * thick), appearance.skin)


def object_parts(
    held_object: HeldObject, camera: Camera, shift: Points, sprite: Image, frame: int
) -> Iterator[Part]:
    """A held object in one frame."""
    (cx, cy), scale = camera.project(held_object.centre[frame])
    axes = camera.axes()
    right, up = (axes @ edge[frame] * float(scale) for edge in (held_object.right, held_object.up))
    near = float(nearness(held_object.centre[frame], camera)) + 0.08
    centre = float(cx + shift[frame, 0]), float(cy + shift[frame, 1])
    across, along = (float(right[0]), -float(right[1])), (float(up[0]), -float(up[1]))
    yield near, lambda image: picture(image, centre, across, along, sprite)


def thumb_parts(
    person: ProjectedPerson, appearance: Appearance, light: Light, side: str, frame: int
) -> Iterator[Part]:
    """Fingers closed over a held object."""
    wrist = np.array(person.at(f"{side}_wrist", frame))
    hand = np.array(person.at(f"{side}_hand", frame)) - wrist
    start, end = wrist + 0.25 * hand, wrist + 0.75 * hand
    thick = 0.013 * person.pose.body.height * person.metres(f"{side}_wrist", frame)
    near = float(person.near[f"{side}_hand"][frame]) + 0.16
    ends = (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))
    yield near, partial(_capsule, light, ends, (thick, thick), appearance.skin)


def cast_shadow(image: Image, person: ProjectedPerson, frame: int) -> None:
    """Soft shadow under both feet, in place."""
    for side in SIDES:
        x, _ = person.at(f"{side}_ankle", frame)
        hip_x, _ = person.at("mid_hip", frame)
        px = person.pose.body.height * person.metres("mid_hip", frame)
        floor = max(person.at("right_heel", frame)[1], person.at("left_heel", frame)[1]) + 0.02 * px
        shadow(image, (0.6 * x + 0.4 * hip_x, floor), (0.13 * px, 0.035 * px), 0.45)
