"""Rendering of one demo clip to a video file, and the joints that are known because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from stroi.cache.files.atomic import write_atomic
from stroi.cache.layouts import BODY_25
from stroi.cache.skeletons import Clip
from stroi.stages.demo.avi import avi, encode_jpeg
from stroi.stages.demo.backgrounds import MARGIN, background
from stroi.stages.demo.body import Points
from stroi.stages.demo.camera import Camera, camera, shake
from stroi.stages.demo.clips import MOTION_PAIRS, PAIRS, PERSONS, DemoClip
from stroi.stages.demo.motions import MOTIONS
from stroi.stages.demo.objects import NOTHING, OBJECT_OF_CLASS, sprite
from stroi.stages.demo.person_rendering import (
    Part,
    ProjectedPerson,
    cast_shadow,
    object_parts,
    person_parts,
    thumb_parts,
)
from stroi.stages.demo.pose_parts import HeldObject, phases
from stroi.stages.demo.randomisation import Nuisance, draw_nuisance
from stroi.stages.demo.raster import Image
from stroi.stages.demo.textures import Appearance, paint_appearance

FPS = 15.0
"""Frames per second of every demo video."""
QUALITY = 60
"""JPEG quality of its frames."""
_NOISE = 1.5
_NOISE_PLAY = 32


@dataclass(frozen=True)
class _ClipSetup:
    """People, objects and camera of a clip, over all frames."""

    nuisance: Nuisance
    view: Camera
    shift: Points
    people: tuple[ProjectedPerson, ...]
    objects: tuple[HeldObject, ...]


def render_clip(clip: DemoClip, path: Path, *, size: tuple[int, int] = (320, 240)) -> Clip:
    """Render one clip to a motion-JPEG AVI file, complete or absent.

    The bytes depend on the arguments, the versions of numpy and OpenCV and the kind of processor
    (its vector units round sines differently), not on the process, the order of rendering or the
    number of threads (OpenCV is set to one).

    Args:
        clip: Which clip.
        path: Where to, ending in ``.avi``.
        size: Width and height in pixels; below 320 x 240 the pose estimator loses people.

    Returns:
        The known joints of every frame in pixels, confidence 1, person 0 the left one.

    Raises:
        StroiError: ``DEMO_VIDEO`` if a picture cannot be coded, or the code of
            `stroi.cache.files.atomic.write_atomic` if the file cannot be written.
    """
    cv2.setNumThreads(1)
    pictures = (encode_jpeg(picture, QUALITY) for picture in draw_frames(clip, size=size))
    write_atomic(path, avi(pictures, size=size, fps=FPS))
    return known_joints(clip, size=size)


def draw_frames(
    clip: DemoClip, *, size: tuple[int, int] = (320, 240)
) -> Iterator[npt.NDArray[np.uint8]]:
    """Pictures of a clip before they are coded.

    Args:
        clip: Which clip.
        size: Width and height in pixels.

    Yields:
        T pictures, (H, W, 3) uint8, blue, green, red.
    """
    setup = _set_up(clip, size)
    nuisance = setup.nuisance
    appearances = [
        paint_appearance(b, o) for b, o in zip(nuisance.bodies, nuisance.outfits, strict=True)
    ]
    scene = background(nuisance.scene, nuisance.scene_seed, size)
    picture = sprite(OBJECT_OF_CLASS.get(clip.label, NOTHING))
    noise = _noise_bank(nuisance.noise_seed, size)
    for frame in range(nuisance.frames):
        image = _shifted(scene, setup.shift[frame], size)
        for figure in setup.people:
            cast_shadow(image, figure, frame)
        for _, paint in sorted(
            _parts(setup, appearances, picture, frame), key=lambda part: part[0]
        ):
            paint(image)
        yield _exposed(image, noise, frame)


def known_joints(clip: DemoClip, *, size: tuple[int, int] = (320, 240)) -> Clip:
    """Joints of a clip in pixels, without rendering it.

    Args:
        clip: Which clip.
        size: Width and height in pixels.

    Returns:
        BODY_25 joints (T, 2, 25, 3) of every frame, confidence 1; an absent person is zeros.
    """
    setup = _set_up(clip, size)
    keypoints = np.zeros((setup.nuisance.frames, 2, len(BODY_25.joints), 3), np.float32)
    for person, figure in enumerate(setup.people):
        for joint, name in enumerate(BODY_25.joints):
            keypoints[:, person, joint, :2] = figure.pixels[name]
            keypoints[:, person, joint, 2] = 1.0
    return Clip(keypoints, PERSONS[clip.pair], size[0], size[1], FPS)


def _set_up(clip: DemoClip, size: tuple[int, int]) -> _ClipSetup:
    """Set up a clip; of its label only the tempo is used."""
    nuisance = draw_nuisance(clip)
    view, shift = camera(clip.camera, nuisance, size), shake(nuisance)
    frame = np.arange(nuisance.frames, dtype=np.float64)
    phase = phases(nuisance, fast=_is_fast(clip))
    poses, objects = MOTIONS[clip.pair](nuisance, phase, frame)
    return _ClipSetup(
        nuisance, view, shift, tuple(ProjectedPerson(p, view, shift) for p in poses), objects
    )


def _is_fast(clip: DemoClip) -> bool:
    """Whether the clip is the fast member of a motion pair."""
    return clip.pair in MOTION_PAIRS and clip.label == PAIRS[clip.pair][1]


def _parts(
    setup: _ClipSetup, appearances: list[Appearance], picture: Image, frame: int
) -> list[Part]:
    """Everything to paint in one frame, in no order."""
    light, parts = setup.nuisance.light, list[Part]()
    for person, figure in enumerate(setup.people):
        parts += person_parts(figure, appearances[person], light, frame)
    for held_object in setup.objects:
        parts += object_parts(held_object, setup.view, setup.shift, picture, frame)
        for person, side in held_object.hands:
            parts += thumb_parts(setup.people[person], appearances[person], light, side, frame)
    return parts


def _shifted(scene: Image, shift: Points, size: tuple[int, int]) -> Image:
    """(H, W, 3) cut of the background, moved by parts of a pixel."""
    move = np.array([[1, 0, shift[0] - MARGIN], [0, 1, shift[1] - MARGIN]], np.float64)
    return cv2.warpAffine(scene, move, size, flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _noise_bank(seed: int, size: tuple[int, int]) -> Image:
    """Sensor noise a little larger than the picture, to cut every frame's noise from."""
    rng = np.random.Generator(np.random.PCG64(seed))
    shape = (size[1] + _NOISE_PLAY, size[0] + _NOISE_PLAY)
    grey = rng.normal(0, _NOISE, (*shape, 1)) + rng.normal(0, 0.5 * _NOISE, (*shape, 3))
    return grey.astype(np.float32)


def _exposed(image: Image, noise: Image, frame: int) -> npt.NDArray[np.uint8]:
    """The picture slightly out of focus and noisy, as bytes."""
    height, width = image.shape[:2]
    y, x = (frame * 13) % _NOISE_PLAY, (frame * 7) % _NOISE_PLAY
    noisy = cv2.GaussianBlur(image, (3, 3), 0.55) + noise[y : y + height, x : x + width]
    exposed: npt.NDArray[np.uint8] = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return exposed
