"""A file as an array of bytes, which takes memory as it is read and no open file.

Python's own `mmap` keeps a copy of the descriptor for as long as the mapping lives (until 3.13 and
its `trackfd`). A cache of more shards than a process may open files, which are 1,024 on most
systems, could not be read so.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_FAILED = ctypes.c_void_p(-1).value


class Mapping:
    """A file's bytes, read-only; `bytes` and every view of it keep the mapping alive.

    Args:
        fd: Descriptor of the file; it may be closed afterwards.
        size: The file's size in bytes, from 1.

    Raises:
        OSError: If the system has no room for it.
    """

    def __init__(self, fd: int, size: int) -> None:
        self._size = size
        self._at = _LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
        if self._at == _FAILED:
            self._at = None
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    @property
    def bytes(self) -> NDArray[np.uint8]:
        """All of it, (size,)."""
        return np.asarray(self)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3, "shape": (self._size,), "typestr": "|u1", "data": (self._at, True),
        }  # fmt: skip

    def drop_pages(self) -> None:
        """Free the memory of what was read so far; reading it again costs time, nothing else."""
        _LIBC.madvise(self._at, self._size, mmap.MADV_DONTNEED)

    def __del__(self) -> None:
        # At the end of the process the system does it.
        if self._at is not None and not sys.is_finalizing():
            _LIBC.munmap(self._at, self._size)
