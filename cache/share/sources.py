"""The files of a received folder or archive, listed and copied; nothing is followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files.opening import BLOCK, open_regular, stored_bytes
from stroi.cache.share.archive import MAX_MEMBERS, Member, read_members
from stroi.cache.share.transfer import copy_range

REMEDY = "ask the sender for a cache that `stroi cache export` wrote"


@dataclass(frozen=True)
class Source:
    """A received folder or archive.

    Attributes:
        where: Its path.
        members: Its files by name; the sizes are those that were found when it was opened.
        copy: Writes a member's bytes to a descriptor and returns their SHA-256.
        stored: Bytes it takes on disk; holes do not count.
    """

    where: Path
    members: dict[str, Member]
    copy: Callable[[Member, int], str]
    stored: int

    @property
    def size(self) -> int:
        """Size of all members in bytes."""
        return sum(member.size for member in self.members.values())


@contextmanager
def open_source(source: Path) -> Iterator[Source]:
    """Open a folder, or an archive of `stroi.cache.share.archive`, for copying.

    Raises:
        RefusedInput: ``IMPORT_OPEN``, ``IMPORT_FILE`` or ``ARCHIVE_*``.
    """
    if source.is_symlink() or not source.is_dir():
        with open_regular(source, "IMPORT_OPEN", remedy=REMEDY) as (fd, size):
            _, members = read_members(fd, size, str(source))

            def cut(member: Member, out: int) -> str:
                return copy_range(fd, member.offset, member.size, out, member.name)

            listed = {member.name: member for member in members}
            yield Source(source, listed, cut, BLOCK * os.fstat(fd).st_blocks)
        return

    def copy(member: Member, out: int) -> str:
        with open_regular(source / member.name, "IMPORT_FILE", remedy=REMEDY) as (fd, _):
            return copy_range(fd, 0, member.size, out, member.name)

    yield Source(source, _list_folder(source), copy, stored_bytes(source))


def _list_folder(source: Path) -> dict[str, Member]:
    members: dict[str, Member] = {}
    with os.scandir(source) as entries:
        for entry in entries:
            if len(members) == MAX_MEMBERS:
                raise refuse_file(f"{source} has more than {MAX_MEMBERS} files")
            if not entry.is_file(follow_symlinks=False):
                raise refuse_file(f"{source}: {entry.name!a} is not a regular file")
            size = entry.stat(follow_symlinks=False).st_size
            members[entry.name] = Member(entry.name, 0, size)
    return members


def refuse_file(message: str) -> RefusedInput:
    """The refusal of a file that does not belong there, for the caller to raise."""
    return RefusedInput("IMPORT_FILE", message, remedy=REMEDY)
