"""Sample ids: what one may look like, and in which order they stand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput

ID_BYTES = 64
"""Longest id; also the width of the ids' field in a file."""

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{ID_BYTES - 1}}}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_REMEDY = (
    "use 1 to 64 of A-Z a-z 0-9 _ . - starting with a letter or digit,"
    " without '..', a final '.' or a device name such as CON"
)


def check_ids(ids: Sequence[str], *, where: str = "") -> None:
    """Refuse ids that are not safe in any list, path or shell, and ids that occur twice.

    Args:
        ids: Sample ids in any order.
        where: File or folder they come from, for the message.

    Raises:
        RefusedInput: ``ID_BAD`` or ``ID_DUPLICATE`` (also if two differ in case only).
    """
    prefix = f"{where}: " if where else ""
    first: dict[str, int] = {}
    for position, name in enumerate(ids):
        if not _is_good(name):
            raise RefusedInput(
                "ID_BAD",
                f"{prefix}sample {position} has the id {_shown(name)}",
                remedy=_REMEDY,
            )
        earlier = first.setdefault(name.casefold(), position)
        if earlier != position:
            raise RefusedInput(
                "ID_DUPLICATE",
                f"{prefix}sample {position} ({name!a}) has the same id as"
                f" sample {earlier} ({ids[earlier]!a})",
                remedy="give every sample an id of its own, differing in more than case",
            )


def check_sorted(ids: Sequence[str], *, where: str = "") -> None:
    """Refuse ids that do not stand in bytewise order.

    Raises:
        RefusedInput: ``ID_ORDER``, naming the first that stands wrong.
    """
    prefix = f"{where}: " if where else ""
    for before, after in itertools.pairwise(ids):
        if before >= after:
            raise RefusedInput(
                "ID_ORDER",
                f"{prefix}{after!a} stands after {before!a}",
                remedy="sort the samples by id",
            )


def ids_to_array(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Ids as fixed-length ASCII, shape (N,), dtype S64.

    Raises:
        RefusedInput: As `check_ids`; a long id would be cut in silence.
    """
    check_ids(ids)
    return np.array([name.encode("ascii") for name in ids], f"S{ID_BYTES}")


def ids_from_array(array: NDArray[np.bytes_]) -> tuple[str, ...]:
    """Ids of an array (N,) of fixed-length bytes; bytes that are not ASCII become escapes."""
    return tuple(name.decode("ascii", "backslashreplace") for name in array.tolist())


def _is_good(name: str) -> bool:
    return (
        _ID.fullmatch(name) is not None
        and ".." not in name
        and not name.endswith(".")
        and _RESERVED.fullmatch(name.casefold()) is None
    )


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 2 * ID_BYTES else name[: 2 * ID_BYTES] + "...")
