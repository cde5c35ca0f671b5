"""The input streams of a graph network (joints, bones, the motion of either), and mirrored clips.

Legend of shapes: N clips, M persons, T frames, V joints.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stroi.cache.layouts import Layout
from stroi.trainer.config import ORIGIN_OFFSET, Centre, GcnConfig, Size, Stream
from stroi.trainer.models.skeleton_graph import parents

_MIN_HEIGHT, _MAX_HEIGHT = 1e-3, 1e3
"""Bounds of a clip's height, in m or torso lengths: a clip of one joint has none."""


def network_stream(x: Tensor, layout: Layout, config: GcnConfig) -> Tensor:
    """The input stream of a network with these settings: `compute_stream` by its config."""
    return compute_stream(x, layout, config.stream, config.centre, config.size)


def compute_stream(
    x: Tensor,
    layout: Layout,
    stream: Stream,
    centre: Centre = "clip",
    size: Size = "measured",
) -> Tensor:
    """One input stream of prepared clips; a joint that takes part in no difference is (0, 0, 0).

    ``bone`` is the vector from a joint's parent to the joint, directed away from the body's
    centre; the two ``motion`` streams are the difference of a frame and the next, 0 in the last
    one. A difference with an absent joint is 0. Where joints carry a confidence, a difference
    carries the lower one of its two ends.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.
        stream: Which stream.
        centre: With ``frame``, joints and their motion are relative to `centre_per_frame`; bones
            do not change.
        size: With ``clip``, clips first go through `normalise_height`.

    Returns:
        (N, M, T, V, 3).
    """
    if size == "clip":
        x = normalise_height(x, layout)
    if stream in ("bone", "bone_motion"):
        x = _difference(x, x[..., list(parents(layout)), :], layout)
    elif centre == "frame":
        x = centre_per_frame(x, layout)
    if stream in ("joint_motion", "bone_motion"):
        next_frame = torch.cat([x[:, :, 1:], torch.zeros_like(x[:, :, :1])], dim=2)
        x = _difference(next_frame, x, layout)
    return x


def centre_per_frame(x: Tensor, layout: Layout) -> Tensor:
    """Joints relative to their body's centre joint in the same frame.

    The centre joint itself stays, so the path of a body remains in the input, but the motion of
    its limbs is no smaller a part of the input when it walks. Where the centre joint is absent,
    it is taken from the nearest frame in time where that person has it.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.

    Returns:
        (N, M, T, V, 3); a confidence and an absent joint are as they were.
    """
    centre, frames = layout.index(layout.centre), x.shape[2]
    path, present = x[..., centre, :], (x != 0).any(-1)  # (N, M, T, 3), (N, M, T, V)
    frame = torch.arange(frames, device=x.device)
    distance = (frame[:, None] - frame).abs() + frames * ~present[..., None, :, centre]
    nearest = distance.argmin(-1)  # (N, M, T, T) -> (N, M, T)
    path = path.gather(2, nearest[..., None].expand_as(path)).clone()  # (N, M, T, 3)
    if layout.axes == 2:
        path[..., 2] = 0
    others = torch.arange(x.shape[3], device=x.device) != centre  # (V,)
    return x - path[..., None, :] * (present & others)[..., None]


def normalise_height(x: Tensor, layout: Layout) -> Tensor:
    """Clips of one height about one origin.

    The box around all joints of a clip, over its persons and frames, becomes 2 high, and its
    middle the origin. So tall and short people become alike, and skeletons that a sensor measures
    too large or too small from where it stands. The proportions of a clip stay.

    Args:
        x: (N, M, T, V, 3) prepared clips; an absent joint is (0, 0, 0).
        layout: The V joints.

    Returns:
        (N, M, T, V, 3); a confidence and an absent joint are as they were.
    """
    axes = layout.axes
    present, position = (x != 0).any(-1, keepdim=True), x[..., :axes]  # (N, M, T, V, 1 or axes)
    high = position.masked_fill(~present, -torch.inf).amax((1, 2, 3), keepdim=True)
    low = position.masked_fill(~present, torch.inf).amin((1, 2, 3), keepdim=True)
    height = (high - low)[..., 1:2].clamp(_MIN_HEIGHT, _MAX_HEIGHT)  # (N, 1, 1, 1, 1)
    scaled = (position - (high + low) / 2) * (2 / height)
    # A joint in the very middle would be taken for an absent one.
    scaled = torch.where((scaled == 0).all(-1, keepdim=True), ORIGIN_OFFSET, scaled)
    return torch.cat([torch.where(present, scaled, 0), x[..., axes:]], dim=-1)


def _difference(end: Tensor, start: Tensor, layout: Layout) -> Tensor:
    """`end` - `start` where both are present; (N, M, T, V, 3) each."""
    present = (end != 0).any(-1, keepdim=True) & (start != 0).any(-1, keepdim=True)
    difference = end - start
    if layout.axes == 2:
        confidence = torch.minimum(end[..., 2:], start[..., 2:])
        difference = torch.cat([difference[..., :2], confidence], dim=-1)
    return difference * present
