"""Layouts that stroi does not ship: declared in a profile, recorded in what is made with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stroi.cache.layouts import BODY_25, LAYOUTS, Layout, Pairs, twin_name

MAX_JOINTS = 256
"""Most joints of a layout."""

_NAME = re.compile(r"[a-z0-9_]{1,16}")
_JOINT = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def own_layout(
    name: str,
    joints: Iterable[str],
    bones: Iterable[Iterable[str]],
    centre: str,
    pairs: Iterable[Iterable[str]] = (),
    body25: Mapping[str, str] | None = None,
) -> Layout:
    """A layout that stroi does not ship, of joints in space.

    Args:
        name: Its name.
        joints: Joint names in index order, V of them.
        bones: V - 1 pairs of joint names, a tree.
        centre: The joint about which the graph is divided.
        pairs: Left and right joints; by default those called ``left_x`` and ``right_x``.
        body25: BODY_25 joint to the joint that stands for it, where their names differ.

    Raises:
        ValueError: If it is no layout.
    """
    known, lines, twins = tuple(joints), _two_each(bones), _two_each(pairs)
    stand_ins = dict(body25 or {})
    _check_names(name, known)
    for part, used in (
        ("bones", [joint for bone in lines for joint in bone]),
        ("centre", [centre]),
        ("pairs", [joint for pair in twins for joint in pair]),
        ("body25", [*stand_ins.values()]),
    ):
        unknown = [joint for joint in used if joint not in known]
        if unknown:
            raise ValueError(f"{part}: no joint is called {unknown[0]!a:.50}")
    _check_tree(known, lines, centre)
    twins = twins or _two_each(
        sorted({tuple(sorted((one, twin_name(one)))) for one in known if twin_name(one) != one})
    )
    _check_pairs(known, twins)
    for joint in stand_ins:
        if joint not in BODY_25.joints:
            raise ValueError(f"body25: {joint!a:.50} is no joint of BODY_25")
    return Layout(name, known, lines, centre, twins, tuple(sorted(stand_ins.items())))


def _two_each(pairs: Iterable[Iterable[str]]) -> Pairs:
    both = [tuple(pair) for pair in pairs]
    if any(len(pair) != 2 for pair in both):
        raise ValueError("each of bones and pairs names two joints")
    return tuple((one, other) for one, other in both)


def _check_names(name: object, joints: tuple[str, ...]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in LAYOUTS:
        raise ValueError(
            f"name: {name!a:.50} cannot name a layout: use at most 16 lower-case letters, digits"
            f" and '_', and another name than {', '.join(LAYOUTS)}"
        )
    if not 2 <= len(joints) <= MAX_JOINTS:
        raise ValueError(f"joints: there are {len(joints)}, use 2 to {MAX_JOINTS}")
    for joint, count in Counter(joints).items():
        if not isinstance(joint, str) or not _JOINT.fullmatch(joint):
            raise ValueError(
                f"joints: {joint!a:.50} cannot name a joint: use at most 40 letters, digits, '_',"
                " '.' and '-'"
            )
        if count > 1:
            raise ValueError(f"joints: {joint!a} stands {count} times")


def _check_tree(joints: tuple[str, ...], bones: Pairs, centre: str) -> None:
    reached, grown = {centre}, True
    while grown:
        new = {joint for bone in bones if reached & {*bone} for joint in bone} - reached
        reached, grown = reached | new, bool(new)
    loose = [joint for joint in joints if joint not in reached]
    if loose:
        raise ValueError(f"bones: they are no tree: none leads from {centre!a} to {loose[0]!a}")
    if len(bones) != len(joints) - 1:
        raise ValueError(
            f"bones: they are no tree but have a circle: {len(joints)} joints have"
            f" {len(joints) - 1} bones, here are {len(bones)}"
        )


def _check_pairs(joints: tuple[str, ...], pairs: Pairs) -> None:
    names = Counter(joint for pair in pairs for joint in pair)
    for joint, count in names.items():
        if joint not in joints:
            raise ValueError(f"pairs: {twin_name(joint)!a} has no {joint!a}: name the pairs")
        if count > 1:
            raise ValueError(f"pairs: {joint!a} stands in {count} of them")


def layout_json(layout: Layout) -> str | dict[str, Any]:
    """A layout as JSON values: the name of one that stroi ships, all of another."""
    if LAYOUTS.get(layout.name) == layout:
        return layout.name
    return {
        "name": layout.name,
        "joints": list(layout.joints),
        "bones": [list(bone) for bone in layout.bones],
        "centre": layout.centre,
        "pairs": [list(pair) for pair in layout.pairs],
        "body25": dict(layout.body25),
    }


def read_layout(value: object) -> Layout:
    """The layout of `layout_json`, from a file that anybody may have written.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, str):
        if value not in LAYOUTS:
            raise ValueError(
                f"no layout is called {value!a:.50}; the layouts are {', '.join(LAYOUTS)}"
            )
        return LAYOUTS[value]
    try:
        return own_layout(**value)  # type: ignore[arg-type]
    except (TypeError, AttributeError):
        raise ValueError("a layout has name, joints, bones, centre, pairs and body25") from None
