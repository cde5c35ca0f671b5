"""What must not go out with a published cache: places on the machine that made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import Manifest

_PRIVATE = re.compile(r"(?:^|[\s'\"=:;(,\[])(?:/[^/\s]|~[/\w]|[A-Za-z]:[\\/]|\\\\)|file:")
"""The beginning of an absolute path, wherever it stands in a text."""


def refuse_private(folder: Path, manifest: Manifest) -> None:
    """Refuse to publish a cache whose manifest names a place on this machine.

    Raises:
        RefusedInput: ``EXPORT_PRIVATE``, naming the key.
    """
    told = {"params": manifest.params, "producer": manifest.producer, "extra": manifest.extra}
    for key in find_private(told):
        raise RefusedInput(
            "EXPORT_PRIVATE",
            f"{folder}: {key[1:]!a} of its manifest names a place on this machine",
            remedy="make the cache with paths relative to the project, and export that",
        )


def find_private(tree: object, at: str = "") -> Iterator[str]:
    """Keys of nested JSON values whose text, or whose name, holds an absolute path."""
    if isinstance(tree, str) and _PRIVATE.search(tree):
        yield at
    elif isinstance(tree, dict):
        for key, value in sorted(tree.items()):
            yield from [f"{at}.{key}"] if _PRIVATE.search(key) else []
            yield from find_private(value, f"{at}.{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from find_private(value, f"{at}[{number}]")
