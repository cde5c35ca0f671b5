"""Which clips the demo data set has, and what each modality can reach on them by construction.

Twelve classes form six pairs. The two classes of a pair share one stream of nuisance draws
(body, clothes, background, frame count, tempo, phase, noise; the functions of `randomisation.py`
take no label), so that for every clip there is a twin with the other label of the pair:

* **object pairs** (`OBJECT_PAIRS`): the twins have bit-identical joints in every frame and differ
  only in the picture of the held object. A skeleton model gives both twins the same
  answer, which is right for one of them: 50 % inside the pair.
* **motion pairs** (`MOTION_PAIRS`): a clip of T frames is sampled at s, 2s, ..., 5s with
  s = T // 6 (`interior` sampling, L = 5). The cyclic motion's phase advances by u cycles per s
  frames in the slow class and by 1 + u in the fast one, so that the twins' pictures at the five
  sampled frames are equal to the byte; motion JPEG codes every picture by itself, so that they
  still are in the video. A mosaic model gives both twins the same answer: 50 % inside the
  pair. The skeleton has all T frames.

Nothing hides which *pair* a clip belongs to, from either modality. With as many object pairs as
motion pairs the best possible accuracy is therefore (3 * 1/2 + 3 * 1) / 6 = 75 % for the skeleton
alone and 75 % for the mosaic alone, and 100 % for both together, exactly so on any test part that
holds both twins of whatever it holds (a split by subject or by camera does). Two things blur this:
an estimated skeleton moves by a pixel or so with the object, in every frame alike; and a mosaic
whose frames are not sampled at s, 2s, ..., 5s may show the tempo.
"""

from __future__ import annotations

from dataclasses import dataclass

from stroi.cache.errors import ParamsError

PAIRS: dict[str, tuple[str, str]] = {
    "sip": ("drink", "phone"),
    "browse": ("read", "tablet"),
    "give": ("give_bottle", "give_letter"),
    "wave": ("wave_slow", "wave_fast"),
    "lift": ("lift_slow", "lift_fast"),
    "step": ("step_slow", "step_fast"),
}
"""The two class names of each pair; a motion pair's first member is the slow one."""

OBJECT_PAIRS: tuple[str, ...] = ("sip", "browse", "give")
"""Pairs that only the picture distinguishes."""

MOTION_PAIRS: tuple[str, ...] = ("wave", "lift", "step")
"""Pairs that only the motion distinguishes."""

CLASSES: tuple[str, ...] = tuple(label for pair in PAIRS.values() for label in pair)
"""The 12 class names in pair order."""

PERSONS: dict[str, int] = {pair: 2 if pair == "give" else 1 for pair in PAIRS}
"""People in every clip of a pair."""

SHORTEST = 30
"""Fewest frames of a clip: below it the fast classes would have fewer than 4 frames a cycle."""


@dataclass(frozen=True)
class DemoClip:
    """One clip of the demo data set: everything `render_clip` needs to know.

    Attributes:
        sample_id: Unique name, such as ``drink_s03_c1``.
        label: Class name, one of `CLASSES`.
        subject: Who acts, ``s01``, ``s02``, ...
        camera: Which view, ``c1``, ``c2``, ...
        pair: Key of `PAIRS` that holds the label.
        seed: Seed of the whole data set.
        repeat: How often this subject has done this before this camera already.
        frames: Smallest and largest frame count a clip of this data set may have.
    """

    sample_id: str
    label: str
    subject: str
    camera: str
    pair: str
    seed: int
    repeat: int = 0
    frames: tuple[int, int] = (32, 60)


def plan_demo(
    *,
    seed: int,
    subjects: int = 12,
    views: int = 2,
    repeats: int = 1,
    frames: tuple[int, int] = (32, 60),
) -> tuple[DemoClip, ...]:
    """List the clips: every class done by every subject before every camera.

    Args:
        seed: Seed of the whole data set, any integer.
        subjects: People who act, 1 to 99.
        views: Cameras, 1 to 9; odd ones stand to the left of the actor's front, even ones right.
        repeats: Clips per class, subject and camera, 1 to 99.
        frames: Smallest and largest frame count of a clip, at least `SHORTEST`.

    Returns:
        12 * subjects * views * repeats clips, sorted by `sample_id`.

    Raises:
        ParamsError: ``DEMO_PARAMS`` if a number is out of its range.
    """
    _check(subjects, views, repeats, frames)
    clips = [
        DemoClip(
            sample_id=f"{label}_s{subject:02d}_c{view}" + (f"_r{repeat}" if repeat else ""),
            label=label,
            subject=f"s{subject:02d}",
            camera=f"c{view}",
            pair=pair,
            seed=seed,
            repeat=repeat,
            frames=frames,
        )
        for pair, labels in PAIRS.items()
        for label in labels
        for subject in range(1, subjects + 1)
        for view in range(1, views + 1)
        for repeat in range(repeats)
    ]
    return tuple(sorted(clips, key=lambda clip: clip.sample_id))


def _check(subjects: int, views: int, repeats: int, frames: tuple[int, int]) -> None:
    """Refuse numbers out of range."""
    for name, value, top in (
        ("subjects", subjects, 99),
        ("views", views, 9),
        ("repeats", repeats, 99),
    ):
        if not 1 <= value <= top:
            raise ParamsError(
                "DEMO_PARAMS",
                f"the demo data set has {name} = {value}",
                remedy=f"choose {name} from 1 to {top}",
            )
    if not SHORTEST <= frames[0] <= frames[1]:
        raise ParamsError(
            "DEMO_PARAMS",
            f"the demo data set has frames = {frames[0]} to {frames[1]}",
            remedy=f"choose at least {SHORTEST} frames, and the smaller number first",
        )
