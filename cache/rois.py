"""The rows of a mosaic and the people in its cells: names, joints, mirrored rows, edges.

Everything that knows of rows takes them from here: params and manifests are read by `read_rows`,
the cutter and eq. 5 ask `row_joints`, a flip asks `mirrored_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.layouts import BODY_25, Layout

MAX_ROWS = 25
MAX_PEOPLE = 4
"""Largest P, most people of a clip."""
PAPER_PEOPLE = 2
CELL_SIDES = range(8, 1025, 2)
"""Sides of a crop in px of the frame; even, because people share a cell."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Row:
    """One row of the mosaic.

    Attributes:
        name: Its name.
        joints: Joints of BODY_25, in that layout's order. A crop is centred on the middle of the
            box around them.
        cell: Side of its crop in px of the frame; ``fit`` for one that holds all its joints, None
            for `mosaics.cell`.
    """

    name: str
    joints: tuple[str, ...]
    cell: int | Literal["fit"] | None = None

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")


Rows = tuple[Row, ...]
"""K rows, from top to bottom."""

PAPER: Rows = tuple(
    Row(name, (joint,))
    for name, joint in {
        "head": "nose",
        "right_hand": "right_wrist",
        "left_hand": "left_wrist",
        "right_foot": "right_ankle",
        "left_foot": "left_ankle",
    }.items()
)
"""The paper's five body parts (section III.A). Left and right are the person's own."""

FULL_BODY = Row("full_body", BODY_25.joints, "fit")
"""One cell around the whole person."""

_PARTS: dict[str, Row] = {row.name: row for row in (*PAPER, FULL_BODY)} | {
    joint: Row(joint, (joint,)) for joint in BODY_25.joints
}
_ELBOWS = (_PARTS["right_elbow"], _PARTS["left_elbow"])
_KNEES = (_PARTS["right_knee"], _PARTS["left_knee"])

PRESETS: dict[str, Rows] = {
    "paper": PAPER,
    "upper_body": (*PAPER[:3], *_ELBOWS),
    "with_elbows_knees": (*PAPER, *_ELBOWS, *_KNEES),
    "full_body": (FULL_BODY,),
}
"""Rows that have a name of their own in params."""


def read_rows(value: object) -> Rows:
    """Rows as params and manifests give them.

    Args:
        value: One of `PRESETS`, or a list. Its items are a name (a joint of BODY_25, or a part
            such as ``right_hand``), ``{name: [joints]}``, or ``{name: {joints: [...], cell: px}}``
            of which `joints` may be left out for a known name.

    Raises:
        ValueError: What is wrong, in a sentence.
    """
    if isinstance(value, str):
        if value not in PRESETS:
            raise ValueError(f"unknown rows {value[:40]!a}: use {_listed(PRESETS)} or a list")
        return PRESETS[value]
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"rows are a list of joints and groups of joints, or {_listed(PRESETS)}")
    if not 1 <= len(value) <= MAX_ROWS:
        raise ValueError(f"{len(value)} rows, allowed are 1 to {MAX_ROWS}")
    rows = tuple(map(_read_row, value))
    for one, other in combinations(rows, 2):
        if one.name == other.name:
            raise ValueError(f"two rows are called {one.name}: give each a name of its own")
        if (one.joints, one.cell) == (other.joints, other.cell):
            raise ValueError(f"the rows {one.name} and {other.name} show the same: leave one out")
    return rows


def rows_to_json(rows: Rows) -> list[dict[str, Any]]:
    """Rows as JSON values that `read_rows` takes; they name every joint."""
    return [
        {row.name: list(row.joints)}
        if row.cell is None
        else {row.name: {"joints": list(row.joints), "cell": row.cell}}
        for row in rows
    ]


def recorded_rows(values: Mapping[str, Any], where: str) -> Rows:
    """The rows that a manifest records under ``rows``; the paper's if it records none.

    Raises:
        RefusedInput: ``ROWS`` if they cannot be read.
    """
    try:
        return read_rows(values.get("rows", "paper"))
    except ValueError as error:
        raise RefusedInput(
            "ROWS", f"{where}: its rows: {error}", remedy="fetch or rebuild the folder"
        ) from error


def require_same_rows(expected: Rows, of: str, found: Rows, where: str, remedy: str) -> None:
    """Refuse what was made with other rows.

    Args:
        expected: The rows it must have.
        of: What has those.
        found: The rows it has.
        where: What it is.
        remedy: What the user should do.

    Raises:
        RefusedInput: ``ROWS_OTHER``, with the names of both.
    """
    if expected != found:
        raise RefusedInput(
            "ROWS_OTHER",
            f"{where} has the rows {_described(found, expected)}; {of} has"
            f" {_described(expected, found)}",
            remedy=remedy,
        )


def row_joints(rows: Rows = PAPER, layout: Layout = BODY_25) -> tuple[tuple[int, ...], ...]:
    """Indices in `layout` of the joints of each row, without those that it does not have.

    Raises:
        ParamsError: ``ROWS_LAYOUT`` if `layout` has no joint of a row.
    """
    return tuple(_joints_in(layout, row) for row in rows)


def mirrored_rows(rows: Rows) -> tuple[int, ...]:
    """Row that each row becomes when a clip is mirrored left to right.

    Raises:
        ParamsError: ``ROWS_MIRROR`` if a row of one side has no row of the other.
    """
    twins = [(_in_order(_twin(joint) for joint in row.joints), row.cell) for row in rows]
    number = {(row.joints, row.cell): at for at, row in enumerate(rows)}
    alone = [row.name for row, twin in zip(rows, twins, strict=True) if twin not in number]
    if alone:
        raise ParamsError(
            "ROWS_MIRROR",
            f"clips are mirrored, and the rows of mosaics lack the other side of {_listed(alone)}",
            remedy="add that side to mosaics.rows, or set resnet.flip to 0",
        )
    return tuple(number[twin] for twin in twins)


def person_edges(width: int, people: int) -> tuple[int, ...]:
    """Edges in px of the columns that `people` divide a cell of `width` px into, left to right.

    Returns:
        ``people + 1`` numbers from 0 to `width`: person p has the pixels from edge p to p + 1.
    """
    return tuple(number * width // people for number in range(people + 1))


def require_same_people(wanted: int, of: str, found: int, where: str, remedy: str) -> None:
    """Refuse what was made for another number of people per clip.

    The arguments are those of `require_same_rows`, with the most people of a clip for the rows.

    Raises:
        RefusedInput: ``PEOPLE_OTHER``, with both numbers.
    """
    if wanted != found:
        raise RefusedInput(
            "PEOPLE_OTHER",
            f"{where} has up to {found} people per clip, {of} has up to {wanted}",
            remedy=remedy,
        )


def _read_row(item: object) -> Row:
    if isinstance(item, Row):
        return item
    if isinstance(item, str):
        return _known(item)
    if not isinstance(item, Mapping) or len(item) != 1:
        raise ValueError("a row is a name, or one name with its joints: {right_arm: [right_elbow]}")
    (name, content), *_ = item.items()
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:40]!a} cannot name a row: use a-z, 0-9 and _")
    if not isinstance(content, Mapping):
        return Row(name, _read_joints(name, content))
    odd = sorted(str(key)[:40] for key in content if key not in ("joints", "cell"))
    if odd:
        raise ValueError(f"row {name} has the unknown key {odd[0]!a}: it takes joints and cell")
    known = _known(name) if "joints" not in content else None
    joints = known.joints if known else _read_joints(name, content["joints"])
    return Row(name, joints, _read_cell(name, joints, content.get("cell", known and known.cell)))


def _read_joints(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(map(_is_text, value)):
        raise ValueError(f"row {name} needs a list of joints, such as [right_elbow, right_wrist]")
    return _in_order(joint for part in value for joint in _known(part).joints)


def _read_cell(name: str, joints: Sequence[str], value: object) -> int | Literal["fit"] | None:
    if value == "fit" and len(joints) > 1:
        return "fit"
    if value is None or (type(value) is int and value in CELL_SIDES):
        return value
    many = ", or fit" if len(joints) > 1 else ""
    raise ValueError(
        f"row {name} has the cell {str(value)[:40]!a}: an even number of px from"
        f" {CELL_SIDES.start} to {CELL_SIDES.stop - 1}{many}"
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _known(name: str) -> Row:
    if name not in _PARTS:
        raise ValueError(
            f"unknown joint {name[:40]!a}: use {_listed(row.name for row in (*PAPER, FULL_BODY))}"
            " or a joint of BODY_25, such as right_elbow"
        )
    return _PARTS[name]


def _in_order(joints: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(joints), key=BODY_25.index))


def _twin(joint: str) -> str:
    return BODY_25.joints[BODY_25.mirrored[BODY_25.index(joint)]]


def _joints_in(layout: Layout, row: Row) -> tuple[int, ...]:
    own = dict.fromkeys(name for joint in row.joints for name in layout.weighing(joint))
    if not own:
        raise ParamsError(
            "ROWS_LAYOUT",
            f"row {row.name} shows {_listed(row.joints)}, and the skeletons ({layout.name}) have"
            " no such joint to weigh it by",
            remedy="name the joint that stands for it in body25 of their layout, or leave the row"
            " out of mosaics.rows",
        )
    return tuple(map(layout.index, own))


def _described(rows: Rows, other: Rows) -> str:
    """Names of rows; with their joints where the names alone are those of the other ones."""
    if [row.name for row in rows] != [row.name for row in other]:
        return _listed(row.name for row in rows)
    return "; ".join(
        f"{row.name} ("
        + " + ".join(row.joints)
        + ("" if row.cell is None else f", cell {row.cell}")
        + ")"
        if row != twin
        else row.name
        for row, twin in zip(rows, other, strict=True)
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
