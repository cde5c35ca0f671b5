"""What a graph network sees of a prepared clip: joints, bones, or the motion of either.

Legend of shapes: N clips, M persons, T frames, V joints.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from stroi.cache.layouts import BODY_25, COCO_17, Layout
from stroi.trainer.config import Centre, GcnConfig, Size, Stream
from stroi.trainer.models.skeleton_graph import hops

FLAT = frozenset({BODY_25.name, COCO_17.name})
"""Layouts whose joints are x, y and a confidence; those of the others are x, y and z."""
BESIDE = 1e-6
"""How far a joint at the very origin is put beside it: (0, 0, 0) is an absent joint."""
_SMALLEST, _LARGEST = 1e-3, 1e3
"""Bounds of a clip's height, in m or torso lengths: a clip of one joint has none."""


@cache
def parents(layout: Layout) -> tuple[int, ...]:
    """The joint at the inner end of every joint's bone.

    Args:
        layout: Joints, bones and centre, V joints.

    Returns:
        V indices: the neighbour one bone closer to the centre, the first such bone of the
        layout if there are several; the centre is its own.
    """
    far = hops(layout, layout.index(layout.centre))
    inner = list(range(len(layout.joints)))
    for a, b in reversed((*layout.edges, *((b, a) for a, b in layout.edges))):
        if far[a] < far[b]:
            inner[b] = a
    return tuple(inner)


def centred(x: Tensor, layout: Layout) -> Tensor:
    """Joints relative to their body's centre joint in their frame.

    The centre joint itself stays, so where a body goes is still told, but how its limbs move is
    no smaller a part of the input when it walks. Where the centre joint is absent, the frame of
    that person nearest in time that has it counts.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.

    Returns:
        (N, M, T, V, 3); a confidence and an absent joint are as they were.
    """
    joint, frames = layout.index(layout.centre), x.shape[2]
    path, there = x[..., joint, :], (x != 0).any(-1)
    number = torch.arange(frames, device=x.device)
    away = (number[:, None] - number).abs() + frames * ~there[..., None, :, joint]
    path = path.gather(2, away.argmin(-1)[..., None].expand_as(path)).clone()
    if layout.name in FLAT:
        path[..., 2] = 0
    others = torch.arange(x.shape[3], device=x.device) != joint
    return x - path[..., None, :] * (there & others)[..., None]


def sized(x: Tensor, layout: Layout) -> Tensor:
    """Clips of one height about one place.

    The box around all joints of a clip, over its persons and frames, becomes 2 high, and its
    middle the origin. Tall and short people, and skeletons that a sensor sees too large or too
    small from where it stands, become alike; how a clip is proportioned stays.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.

    Returns:
        (N, M, T, V, 3); a confidence and an absent joint are as they were.
    """
    axes, far = 2 if layout.name in FLAT else 3, torch.inf
    there, place = (x != 0).any(-1, keepdim=True), x[..., :axes]
    highest = place.masked_fill(~there, -far).amax((1, 2, 3), keepdim=True)
    lowest = place.masked_fill(~there, far).amin((1, 2, 3), keepdim=True)
    height = (highest - lowest)[..., 1:2].clamp(_SMALLEST, _LARGEST)
    moved = (place - (highest + lowest) / 2) * (2 / height)
    # A joint in the very middle would be taken for an absent one.
    moved = torch.where((moved == 0).all(-1, keepdim=True), BESIDE, moved)
    return torch.cat([torch.where(there, moved, 0), x[..., axes:]], dim=-1)


def stream_of(
    x: Tensor,
    layout: Layout,
    stream: Stream,
    centre: Centre = "clip",
    size: Size = "measured",
) -> Tensor:
    """One stream of prepared clips; a joint that takes part in no difference is (0, 0, 0).

    ``bone`` is the way from a joint's parent to the joint, directed away from the body's centre;
    the two ``motion`` streams are the way from a frame to the next, 0 in the last one. Nothing is
    subtracted from or by a joint that is absent. Where joints carry a confidence, a difference
    carries the lower one of its two ends.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.
        stream: Which stream.
        centre: With ``frame``, joints and their motion are told by `centred`; bones are the same.
        size: With ``clip``, all is told of clips of one height about one place, see `sized`.

    Returns:
        (N, M, T, V, 3).
    """
    if size == "clip":
        x = sized(x, layout)
    if stream in ("bone", "bone_motion"):
        x = _difference(x, x[..., list(parents(layout)), :], layout)
    elif centre == "frame":
        x = centred(x, layout)
    if stream in ("joint_motion", "bone_motion"):
        following = torch.cat([x[:, :, 1:], torch.zeros_like(x[:, :, :1])], dim=2)
        x = _difference(following, x, layout)
    return x


def seen(x: Tensor, layout: Layout, config: GcnConfig) -> Tensor:
    """The stream of prepared clips that a network of these settings sees; see `stream_of`."""
    return stream_of(x, layout, config.stream, config.centre, config.size)


def _difference(end: Tensor, start: Tensor, layout: Layout) -> Tensor:
    """`end` - `start` where both ends are there, both (N, M, T, V, 3)."""
    there = (end != 0).any(-1, keepdim=True) & (start != 0).any(-1, keepdim=True)
    between = end - start
    if layout.name in FLAT:
        confidence = torch.minimum(end[..., 2:], start[..., 2:])
        between = torch.cat([between[..., :2], confidence], dim=-1)
    return between * there
