"""Drawings of the page as small pure functions: numbers in, escaped HTML or inline SVG out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from stroi.cache.layouts import BODY_25, Layout
from stroi.cache.percent import percent, signed
from stroi.trainer.models.skeleton_graph import hop_distance, parents

STANDING: Mapping[str, tuple[float, float]] = {
    "nose": (50, 22), "neck": (50, 42), "mid_hip": (50, 98),
    "right_shoulder": (34, 44), "right_elbow": (27, 70), "right_wrist": (22, 95),
    "left_shoulder": (66, 44), "left_elbow": (73, 70), "left_wrist": (78, 95),
    "right_hip": (41, 99), "right_knee": (39, 137), "right_ankle": (38, 174),
    "left_hip": (59, 99), "left_knee": (61, 137), "left_ankle": (62, 174),
    "right_eye": (45, 17), "left_eye": (55, 17), "right_ear": (40, 20), "left_ear": (60, 20),
    "right_big_toe": (30, 187), "right_small_toe": (24, 184), "right_heel": (42, 183),
    "left_big_toe": (70, 187), "left_small_toe": (76, 184), "left_heel": (58, 183),
    "head": (50, 18), "spine_shoulder": (50, 47), "shoulder_centre": (50, 42),
    "spine_mid": (50, 73), "spine": (50, 76), "spine_base": (50, 96), "hip_centre": (50, 96),
    "right_hand": (20, 105), "left_hand": (80, 105),
    "right_hand_tip": (18, 114), "left_hand_tip": (82, 114),
    "right_thumb": (27, 108), "left_thumb": (73, 108),
    "right_foot": (31, 184), "left_foot": (69, 184),
}  # fmt: skip
"""A person who stands and faces us: x, y of each layout's joints in a field of 100 x 200."""

JOINT_RADIUS = 4.0
"""Radius of a joint of weight 1 in the field of `STANDING`."""

_WIDTH, _HEIGHT = 230, 125
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 8, 10, 20
_AXIS_ENDS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_STRONG = 0.72
_ROUNDS = 200
_BEYOND = 0.4


def between(ends: tuple[float, float] | None) -> str:
    """Ends of an interval, ``-1.0 … +2.5``; a dash for None."""
    return "\u2013" if ends is None else f"{signed(ends[0])} … {signed(ends[1])}"


def p_value(value: float) -> str:
    """`value` with three decimals, with four below 0.01; ``< 0.001`` below that."""
    return "< 0.001" if value < 0.001 else f"{value:.{4 if value < 0.01 else 3}f}"


def accuracy_bar(
    value: float,
    colour: str,
    *,
    line: float | None = None,
    interval: tuple[float, float] | None = None,
) -> Markup:
    """A horizontal bar from 0 to 100 %.

    Args:
        value: Its length in percent; what lies beyond 0..100 is cut off.
        colour: Name of the CSS colour variable: ``skeleton``, ``rgb``, ``soft`` or ``both``.
        line: Where to draw the line of chance, in percent.
        interval: Ends of the whisker, in percent.
    """
    parts = [Markup('<i class="fill" style="width:{}%;background:var(--{})"></i>').format(
        _place(value), colour
    )]  # fmt: skip
    if interval is not None:
        low, high = map(_clip, interval)
        parts.append(
            Markup('<i class="whisker" style="left:{}%;width:{}%"></i>').format(
                _place(low), _place(high - low)
            )
        )
    if line is not None:
        parts.append(Markup('<i class="chance" style="left:{}%"></i>').format(_place(line)))
    return Markup('<span class="bar" role="img" aria-label="{} %">{}</span>').format(
        percent(value), Markup("").join(parts)
    )


def weight_bar(value: float, top: float) -> Markup:
    """A bar for one row's weight, with a line at weight 1.

    Args:
        value: The weight, from 0.
        top: Weight at the right end, at least 1.
    """
    return Markup(
        '<span class="bar weight" role="img" aria-label="weight {}">'
        '<i class="fill" style="width:{}%;background:var(--skeleton)"></i>'
        '<i class="chance" style="left:{}%"></i></span>'
    ).format(f"{value:.2f}", _place(100 * value / top), _place(100 / top))


def shade(value: float, low: float, high: float) -> Markup:
    """Attributes of a table cell shaded by `value`: clear at `low`, full at `high`.

    Cells from `_STRONG` on get the class ``strong``, for text in the page's colour.
    """
    share = 0.0 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
    if not share:
        return Markup("")
    return Markup('{} style="--a:{}"').format(
        Markup(' class="strong"') if share >= _STRONG else "", f"{share:.2f}"
    )


def skeleton(
    weights: Sequence[float],
    label: str,
    layout: Layout = BODY_25,
    coloured: Collection[int] = (),
) -> Markup:
    """A person, standing; each joint's circle has an area in proportion to its weight.

    Args:
        weights: Weight of each of the layout's V joints, from 0, relative to a mean of 1.
        label: What the figure shows, for readers who do not see it.
        layout: The joints and bones.
        coloured: Indices of joints that stand out.

    Raises:
        ValueError: If there are not V weights.
    """
    place = standing(layout)
    bones = Markup("").join(
        Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"/>').format(*place[a], *place[b])
        for a, b in layout.bones
    )
    joints = Markup("").join(
        Markup('<circle{} cx="{}" cy="{}" r="{}"><title>{} {}</title></circle>').format(
            Markup(' class="roi"') if at in coloured else "",
            *place[joint],
            f"{JOINT_RADIUS * math.sqrt(weight):.2f}",
            joint.replace("_", " "),
            f"{weight:.2f}",
        )
        for at, (joint, weight) in enumerate(zip(layout.joints, weights, strict=True))
    )
    return Markup(
        '<svg class="skeleton" viewBox="0 0 100 200" role="img" aria-label="{}">'
        '<g class="bones">{}</g>{}</svg>'
    ).format(label, bones, joints)


def standing(layout: Layout) -> dict[str, tuple[float, float]]:
    """Where each joint of a layout is drawn in the field of `STANDING`.

    A joint that `STANDING` does not name is where the one of BODY_25 is for which it stands; any
    other is amid its neighbours, or at the end of a limb beyond the last one.
    """
    known = {own: STANDING[joint] for joint, own in layout.body25}
    known |= {joint: STANDING[joint] for joint in layout.joints if joint in STANDING}
    place = {joint: known.get(joint, (50.0, 100.0)) for joint in layout.joints}
    others = [joint for joint in layout.joints if joint not in known]
    near = {joint: [(set(bone) - {joint}).pop() for bone in layout.bones if joint in bone]
            for joint in others}  # fmt: skip
    for _ in range(_ROUNDS):
        for joint in others:
            around = [place[one] for one in near[joint]]
            place[joint] = fmean(x for x, _ in around), fmean(y for _, y in around)
    amid = dict(place)
    inner = {
        joint: layout.joints[at] for joint, at in zip(layout.joints, parents(layout), strict=True)
    }
    hops = hop_distance(layout, layout.index(layout.centre))
    for joint in sorted(others, key=lambda joint: hops[layout.index(joint)]):
        (x, y), (x0, y0) = place[inner[joint]], place[inner[inner[joint]]]
        if math.dist(amid[joint], amid[inner[joint]]) < 1:
            place[joint] = x + _BEYOND * (x - x0), y + _BEYOND * (y - y0)
    return {joint: (round(x, 1), round(y, 1)) for joint, (x, y) in place.items()}


def line_chart(
    lines: Sequence[Sequence[float]],
    label: str,
    *,
    validation: Sequence[Sequence[float]] = (),
    high: float | None = None,
    decimals: int = 2,
) -> Markup:
    """Curves over epochs, one line per seed, from 0 up.

    Args:
        lines: Value of each epoch, from the first on; NaN and infinity interrupt the line.
        label: What is drawn, such as ``loss``.
        validation: The same on the validation clips; drawn dashed.
        high: Upper end of the axis; a round number above all finite values if None.
        decimals: Of the axis' numbers.
    """
    curves = (*lines, *validation)
    finite = [value for line in curves for value in line if math.isfinite(value)]
    top = axis_end(max(finite, default=1.0)) if high is None else high
    epochs = max((len(line) for line in curves), default=0)
    paths = Markup("").join(
        Markup('<path class="curve{}" d="{}"/>').format(more, _path(line, epochs, top))
        for more, group in (("", lines), (" validation", validation))
        for line in group
    )
    grid = Markup("").join(
        Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"/><text x="{}" y="{}">{}</text>').format(
            _LEFT, _y(share * top, top), _WIDTH - _RIGHT, _y(share * top, top),
            _LEFT - 5, f"{float(_y(share * top, top)) + 3:.1f}", f"{share * top:.{decimals}f}",
        )
        for share in (0.0, 0.5, 1.0)
    )  # fmt: skip
    ticks = Markup("").join(
        Markup('<text class="tick" x="{}" y="{}">{}</text>').format(
            _x(epoch, epochs), _HEIGHT - 5, epoch
        )
        for epoch in sorted({1, epochs} - {0})
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<g class="grid">{}{}</g>{}</svg>'
    ).format(_WIDTH, _HEIGHT, label, grid, ticks, paths)


def axis_end(value: float) -> float:
    """The next round number from `value` on; 1 for nothing to show."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((end * power for end in _AXIS_ENDS if end * power >= value), 10 * power)


def _path(line: Sequence[float], epochs: int, top: float) -> str:
    steps = []
    pen = "M"
    for epoch, value in enumerate(line, 1):
        if not math.isfinite(value):
            pen = "M"
            continue
        # A curve that leaves the axis runs along its end.
        steps.append(f"{pen}{_x(epoch, epochs)} {_y(min(max(value, 0.0), top), top)}")
        pen = "L"
    return "".join(steps)


def _x(epoch: int, epochs: int) -> str:
    share = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.0
    return f"{_LEFT + share * (_WIDTH - _LEFT - _RIGHT):.1f}"


def _y(value: float, top: float) -> str:
    return f"{_TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM):.1f}"


def _clip(value: float) -> float:
    return min(100.0, max(0.0, value))


def _place(value: float) -> str:
    return f"{_clip(value):.2f}"
