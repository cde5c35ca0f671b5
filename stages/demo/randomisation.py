"""All random draws of the demo data set. No function here takes a label or a class.

Every stream is a numpy `Generator` (PCG64) seeded by sha256 of the data set's seed and a few
names, so that no draw depends on the order of rendering. Numpy keeps such streams stable within
a release line but does not promise it between releases.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from stroi.stages.demo.clips import DemoClip

Colour = tuple[float, float, float]
"""Blue, green, red, each 0 to 255."""

TICKS = 1_000_000
"""Phase ticks of one cycle: integer phases make the motion twins coincide to the bit."""

_SKINS: tuple[Colour, ...] = (
    (150, 180, 226), (128, 160, 214), (110, 142, 198),
    (88, 118, 172), (76, 104, 156), (64, 90, 138),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (24, 24, 28), (30, 42, 62), (42, 66, 104), (70, 120, 165), (88, 92, 98), (28, 46, 92),
)  # fmt: skip
_SHIRTS: tuple[Colour, ...] = (
    (168, 96, 52), (70, 130, 60), (60, 70, 150), (150, 150, 158), (60, 140, 178), (130, 70, 120),
    (140, 130, 60), (96, 120, 150), (120, 90, 90), (80, 100, 190),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (96, 62, 40), (56, 56, 60), (56, 78, 104), (74, 82, 70), (104, 98, 94), (66, 54, 84),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = (
    (206, 206, 210), (90, 110, 215), (205, 160, 90), (80, 175, 205), (150, 200, 150),
)  # fmt: skip
CLOTHS: tuple[str, ...] = ("plain", "stripes", "bands", "checks", "dots")
"""Kinds of shirt cloth."""
SCENES: tuple[str, ...] = ("plaster", "bricks", "panels", "shelves", "curtain", "clouds")
"""Kinds of background."""


@dataclass(frozen=True)
class Body:
    """Shape of one person. Lengths are shares of the height.

    Attributes:
        height: Metres from sole to crown, 1.58 to 1.84.
        build: Factor on all widths, 0.9 to 1.15.
        shoulder: Half distance of the shoulder joints.
        hip: Half distance of the hip joints.
        arm: Factor on the arms' length.
        leg: Factor on the legs' length; the trunk makes up for it.
        skin: Skin colour.
        hair: Hair colour.
        long_hair: Whether the hair falls to the neck.
        vigour: Factor on the amplitude of this person's motions.
    """

    height: float
    build: float
    shoulder: float
    hip: float
    arm: float
    leg: float
    skin: Colour
    hair: Colour
    long_hair: bool
    vigour: float


@dataclass(frozen=True)
class Outfit:
    """Clothes of one person in one clip.

    Attributes:
        shirt: Shirt colour.
        print: Colour of the pattern on the shirt.
        cloth: Kind of pattern, one of `CLOTHS`.
        trousers: Trouser colour.
        shoes: Shoe colour.
        sleeve: Share of the forearm under cloth, 0 or 1.
        seed: Seed of the weave.
    """

    shirt: Colour
    print: Colour
    cloth: str
    trousers: Colour
    shoes: Colour
    sleeve: float
    seed: int


@dataclass(frozen=True)
class Nuisance:
    """Everything drawn for one clip. Both members of a pair get the same.

    Attributes:
        frames: Frame count T.
        tempo: Ticks of phase per T // 6 frames in the slow class (u * `TICKS`).
        phase: Ticks of phase at frame 0.
        bodies: Shape of each person, left one first.
        outfits: Clothes of each person.
        place: Metres by which the scene is shifted, right and towards the camera.
        facing: Radians by which the people are turned from their usual facing.
        reach: Factor on the amplitude of the motion.
        timing: Start and duration of a motion done once, shares of the clip.
        sway: Two phases in cycles and two rates in cycles per frame of the body's slow sway.
        jitter: Two phases in cycles and two rates in cycles per frame of the camera's shake.
        yaw: Radians added to the camera's yaw.
        zoom: Factor on the camera's focal length.
        light: Unit vector to the light: image right, image down, towards the camera.
        scene: Kind of background, one of `SCENES`.
        scene_seed: Seed of the background's details.
        noise_seed: Seed of the sensor noise.
    """

    frames: int
    tempo: int
    phase: int
    bodies: tuple[Body, ...]
    outfits: tuple[Outfit, ...]
    place: tuple[float, float]
    facing: float
    reach: float
    timing: tuple[float, float]
    sway: tuple[float, float, float, float]
    jitter: tuple[float, float, float, float]
    yaw: float
    zoom: float
    light: tuple[float, float, float]
    scene: str
    scene_seed: int
    noise_seed: int


def generator(seed: int, *names: str) -> Generator:
    """Random stream of its own for `names`.

    Args:
        seed: Seed of the data set.
        *names: What the stream is for.

    Returns:
        A PCG64 generator that depends on nothing but the arguments.
    """
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def draw_body(rng: Generator) -> Body:
    """Draw the shape of one person."""
    return Body(
        height=float(rng.uniform(1.60, 1.84)),
        build=float(rng.uniform(0.92, 1.14)),
        shoulder=float(rng.uniform(0.100, 0.114)),
        hip=float(rng.uniform(0.050, 0.060)),
        arm=float(rng.uniform(0.97, 1.05)),
        leg=float(rng.uniform(0.97, 1.03)),
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        long_hair=bool(rng.integers(2)),
        vigour=float(rng.uniform(0.9, 1.1)),
    )


def draw_outfit(rng: Generator) -> Outfit:
    """Draw the clothes of one person."""
    shirt, other = rng.choice(len(_SHIRTS), size=2, replace=False)
    return Outfit(
        shirt=_dye(rng, _SHIRTS[shirt]),
        print=_dye(rng, _SHIRTS[other]),
        cloth=CLOTHS[rng.integers(len(CLOTHS))],
        trousers=_dye(rng, _TROUSERS[rng.integers(len(_TROUSERS))]),
        shoes=_dye(rng, _SHOES[rng.integers(len(_SHOES))]),
        sleeve=float(rng.integers(2)),
        seed=int(rng.integers(2**31)),
    )


def draw_nuisance(clip: DemoClip) -> Nuisance:
    """Draw everything about a clip that its label must not touch.

    Reads `clip.seed`, `subject`, `camera`, `pair`, `repeat` and `frames` only: the two members of
    a pair share the result, and its distribution is the same for all pairs.

    Args:
        clip: The clip.

    Returns:
        The draws. Two bodies and outfits are always drawn; a one-person clip uses the first.
    """
    rng = generator(clip.seed, "clip", clip.subject, clip.camera, clip.pair, str(clip.repeat))
    frames = int(rng.integers(clip.frames[0], clip.frames[1] + 1))
    # At least 4 frames a cycle in the fast class: (1 + u) / (T // 6) <= 1 / 4.
    fastest = min(0.45, (frames // 6) / 4 - 1)
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.8, -0.3), 0.8])
    light /= np.linalg.norm(light)
    actor = draw_body(generator(clip.seed, "body", clip.subject))
    return Nuisance(
        frames=frames,
        tempo=int(rng.uniform(0.2, fastest) * TICKS),
        phase=int(rng.integers(TICKS)),
        bodies=(actor, draw_body(rng)),
        outfits=(draw_outfit(rng), draw_outfit(rng)),
        place=(float(rng.uniform(-0.1, 0.1)), float(rng.uniform(-0.1, 0.1))),
        facing=float(rng.uniform(-0.12, 0.12)),
        reach=float(rng.uniform(0.9, 1.1)),
        timing=(float(rng.uniform(0.02, 0.15)), float(rng.uniform(0.68, 0.82))),
        sway=_wobble(rng, 0.01, 0.03),
        jitter=_wobble(rng, 0.01, 0.06),
        yaw=float(rng.uniform(-0.06, 0.06)),
        zoom=float(rng.uniform(0.98, 1.02)),
        light=(float(light[0]), float(light[1]), float(light[2])),
        scene=SCENES[rng.integers(len(SCENES))],
        scene_seed=int(rng.integers(2**31)),
        noise_seed=int(rng.integers(2**31)),
    )


def _dye(rng: Generator, colour: Colour) -> Colour:
    """A colour near `colour`."""
    b, g, r = (float(np.clip(c + rng.uniform(-18, 18), 12, 240)) for c in colour)
    return b, g, r


def _wobble(rng: Generator, slow: float, fast: float) -> tuple[float, float, float, float]:
    """Two phases in cycles and two rates in cycles per frame."""
    return (
        float(rng.uniform()), float(rng.uniform()),
        float(rng.uniform(slow, fast)), float(rng.uniform(slow, fast)),
    )  # fmt: skip
