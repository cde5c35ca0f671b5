"""DVC's folder lists (``.dir`` objects), read with the care that DVC itself does not take.

A list says which object becomes which file of an out. DVC 3.67 joins both texts to paths as they
are: a `relpath` of ``../../x`` is written outside the out by `dvc checkout`, and an `md5` of
``../../x`` makes `dvc fetch` overwrite a file outside the cache, or `dvc checkout` copy one in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from stroi.cache.errors import RefusedInput
from stroi.cache.jsontext import MAX_MEMORY, parse_json

MAX_LIST_BYTES = 1 << 27
"""Room for about a million files, such as the pictures of a data set; shards are dozens."""

_GROWTH = 16
"""So many times the bytes of its text a parsed list takes."""

OBJECT = re.compile(r"[0-9a-f]{32}")
"""Name of a file's object: the MD5 of its bytes."""

_MAX_PATH, _MAX_PART, _MAX_DEPTH = 4096, 255, 64
_PRIVATE = frozenset({".git", ".dvc"})
_REMEDY = "do not check this out: ask whoever pushed it for a clean folder"


@dataclass(frozen=True)
class ListedFile:
    """One file of an out that is a folder.

    Attributes:
        relpath: Where it goes, relative to the out.
        md5: Name of its object, 32 hexadecimal digits.
    """

    relpath: str
    md5: str


def parse_list(data: bytes, where: str) -> tuple[ListedFile, ...]:
    """The files of a folder list that can be checked out without harm.

    Args:
        data: The list's bytes.
        where: The object and its out, for messages.

    Raises:
        RefusedInput: ``DVC_LIST`` if it is not as DVC writes it, ``DVC_PATH`` if a file would
            not land plainly inside the out; as `stroi.cache.jsontext.parse_json`.
    """
    if len(data) > MAX_LIST_BYTES:
        raise _malformed(where, f"has {len(data)} bytes, allowed are {MAX_LIST_BYTES}")
    entries = parse_json(data, where, memory=max(MAX_MEMORY, _GROWTH * len(data)))
    if not isinstance(entries, list):
        raise _malformed(where, "is not a list of files")
    files = tuple(_file(entry, where) for entry in entries)
    _check_apart([file.relpath for file in files], where)
    return files


def path_problem(relpath: str) -> str:
    """Why `relpath` is not a plain path below a folder; empty if it is one."""
    parts = relpath.split("/")
    if not relpath.isprintable():
        return "holds control, formatting or private characters"
    if "\\" in relpath or re.match("[A-Za-z]:", relpath):
        return "is a path of another system"
    if not {"", ".", ".."}.isdisjoint(parts):
        return "does not stay inside its folder"
    if not _PRIVATE.isdisjoint(part.casefold() for part in parts):
        return "lies in .git or .dvc"
    if len(relpath) > _MAX_PATH or any(len(part.encode()) > _MAX_PART for part in parts):
        return "is too long"
    if len(parts) > _MAX_DEPTH:
        return "is too deep"
    return ""


def _file(entry: object, where: str) -> ListedFile:
    if not isinstance(entry, dict) or entry.keys() != {"md5", "relpath"}:
        raise _malformed(where, "has an entry other than an md5 and a relpath")
    md5, relpath = entry["md5"], entry["relpath"]
    if not isinstance(relpath, str):
        raise _malformed(where, "has a relpath that is not text")
    if not isinstance(md5, str) or OBJECT.fullmatch(md5) is None:
        raise _malformed(where, f"gives {relpath[:80]!a} an md5 that is none: {str(md5)[:80]!a}")
    problem = path_problem(relpath)
    if problem:
        raise _misplaced(where, f"{relpath[:80]!a} {problem}")
    return ListedFile(relpath, md5)


def _check_apart(relpaths: Sequence[str], where: str) -> None:
    """Refuse files that are one and the same on some file system, or that are also folders."""
    first: dict[str, int] = {}
    for number, relpath in enumerate(relpaths):
        earlier = first.setdefault(_folded(relpath), number)
        if earlier != number:
            both = f"{relpaths[earlier][:80]!a} and {relpath[:80]!a}"
            raise _misplaced(where, f"{both} are one file where case does not count")
    for folded, number in first.items():
        parent = folded.rpartition("/")[0]
        while parent:
            if parent in first:
                file, inside = relpaths[first[parent]][:80], relpaths[number][:80]
                raise _misplaced(where, f"{file!a} is a file and {inside!a} lies in it")
            parent = parent.rpartition("/")[0]


def _folded(relpath: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", relpath).casefold())


def _malformed(where: str, problem: str) -> RefusedInput:
    return RefusedInput("DVC_LIST", f"{where} {problem}", remedy=_REMEDY)


def _misplaced(where: str, problem: str) -> RefusedInput:
    return RefusedInput("DVC_PATH", f"{where}: {problem}", remedy=_REMEDY)
