"""Give what was made its name, unless something else has taken the name meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # linux/fcntl.h, linux/fs.h


def rename_new(source: Path, target: Path) -> bool:
    """Rename `source` to `target`, which is never replaced, be it an empty folder or a link.

    Args:
        source: A file, or a folder.
        target: The new name, on the same file system.

    Returns:
        Whether it has that name now; if not, something else has it and nothing was changed.

    Raises:
        OSError: If the disk does not take it.
    """
    failure = _rename_noreplace(source, target)
    if failure and failure != errno.EEXIST:
        # NFS and old kernels cannot do it in one step, and other systems have another call for it.
        return _rename_in_two_steps(source, target)
    return not failure


def _rename_noreplace(source: Path, target: Path) -> int:
    """Number of the system's error, 0 if there was none."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return errno.ENOSYS
    names = _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target)
    return ctypes.get_errno() if library.renameat2(*names, _RENAME_NOREPLACE) else 0


def _rename_in_two_steps(source: Path, target: Path) -> bool:
    try:
        if not source.is_dir():
            os.link(source, target, follow_symlinks=False)
            source.unlink()
            return True
        target.mkdir()
    except FileExistsError:
        return False
    try:
        # A folder replaces an empty one alone: this one, unless somebody has filled it meanwhile.
        source.rename(target)
    except OSError:
        with suppress(OSError):
            target.rmdir()
        raise
    return True
