"""Places of clips inside a data set: none outside it, and none behind a linked folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from stroi.cache.errors import RefusedInput


@dataclass(frozen=True)
class PlaceFinder:
    """Finds files of a data set by paths that were written on another system.

    Attributes:
        root: The data set.
    """

    root: Path
    _listed: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)

    def find(self, written: str) -> str:
        """The path of a file or folder relative to the root, as the file system spells it.

        A path that names no file is taken with backslashes as slashes, relative to the root if it
        is absolute and leads to a file inside it, and with names in other case or another form of
        Unicode if one file alone has such a name. What is not found is returned as it is.
        """
        exact = self._spelled(written)
        if exact is not None:
            return exact
        plain = written.replace("\\", "/")
        if is_absolute(plain):
            return self._inside(plain) or written
        spelled = self._spelled(plain)
        return plain if spelled is None else spelled

    def suggest(self, written: str) -> str:
        """The path of a file that may be meant by one that does not exist; empty if none is."""
        plain = written.replace("\\", "/")
        parts = PurePosixPath(plain).parts
        for start in range(len(parts)):
            spelled = self._spelled("/".join(parts[start:]))
            if spelled and spelled != plain:
                return spelled
        folder = self._spelled(str(PurePosixPath(plain).parent))
        if folder is None or ".." in parts or is_absolute(plain):
            return ""
        stem = _key(PurePosixPath(plain).name)
        names = [
            name
            for name in sorted(self._names(folder).keys())
            if stem and name.startswith(f"{stem}.")
        ]
        found = [name for key in names for name in self._names(folder)[key]]
        return _join(folder, found[0]) if len(found) == 1 else ""

    def _inside(self, absolute: str) -> str | None:
        """An absolute path relative to the root, if it leads to a file of the data set."""
        parts = PurePosixPath(absolute).parts[1:]
        for start in range(len(parts)):
            inner = "/".join(parts[start:])
            if self._spelled(inner) is not None and _is_same(self.root / inner, Path(absolute)):
                return inner
        for root in (self.root, self.root.resolve()):
            if Path(absolute).is_relative_to(root) and ".." not in parts:
                return Path(absolute).relative_to(root).as_posix()
        return None

    def _spelled(self, path: str) -> str | None:
        """A relative path as the file system spells it; None if there is no such file."""
        if path.startswith("/") or ".." in path.split("/"):
            return None
        place = ""
        for part in PurePosixPath(path).parts:
            names = self._names(place).get(_key(part), [])
            if part not in names and len(names) != 1:
                return None
            place = _join(place, part if part in names else names[0])
        return place

    def _names(self, place: str) -> Mapping[str, list[str]]:
        if place not in self._listed:
            names: dict[str, list[str]] = defaultdict(list)
            for name in _entries(self.root / place):
                names[_key(name)].append(name)
            self._listed[place] = dict(names)
        return self._listed[place]


def _entries(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (OSError, ValueError):
        return []


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def is_absolute(path: str) -> bool:
    """Whether a path begins at the root of a system, or with a drive of Windows."""
    return path.startswith("/") or re.match(r"[A-Za-z]:/", path) is not None


def _is_same(one: Path, two: Path) -> bool:
    try:
        return one.samefile(two)
    except (OSError, ValueError):
        return False


def check_places(root: Path, places: Iterable[str]) -> None:
    """Refuse files that DVC would not see: it tracks `root`, but follows no linked folder in it.

    Args:
        root: The data set.
        places: Paths of videos and skeletons, relative to it.

    Raises:
        RefusedInput: ``VIDEO_OUTSIDE`` or ``LINKED_FOLDER``.
    """
    paths = {Path(place) for place in places}
    folders = {path.parent for path in paths} | {path for path in paths if (root / path).is_dir()}
    for folder in sorted(folders):
        if folder.is_absolute() or ".." in folder.parts:
            raise RefusedInput(
                "VIDEO_OUTSIDE",
                f"{folder} is not inside {root}",
                remedy="put the videos, or a link to each, into the data set's folder",
            )
        for part in (folder, *folder.parents):
            if part != Path() and (root / part).is_symlink():
                raise linked_folder(root, root / part)


def linked_folder(root: Path, link: Path | str) -> RefusedInput:
    """The refusal of a linked folder, for the caller to raise."""
    return RefusedInput(
        "LINKED_FOLDER",
        f"{link} is a link, and DVC would not notice a change behind it",
        remedy=f"link the files one by one, or make {root} itself the link",
    )
