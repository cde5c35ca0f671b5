"""Write a declared format as one HDF5 file image; read one as if it were hostile.

Reading never lets the library touch the samples: it only walks the few headers. Each array's
place in the file is then mapped read-only, so no filter, link or foreign file can come in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py
import numpy as np
from h5py._objects import phil

from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.opening import open_no_link
from stroi.cache.storage.assemble import assemble
from stroi.cache.storage.hdf5_headers import SUPERBLOCK_BYTES, check_superblock, read_headers
from stroi.cache.storage.mapping import Mapping
from stroi.cache.storage.schema import Array, Arrays, FileFormat, check_contents

_LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


def encode(fmt: FileFormat, arrays: Arrays) -> bytes:
    """One HDF5 file as bytes: contiguous, uncompressed, equal for equal arrays.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk.

    Returns:
        The file image; write it with `stroi.cache.files.atomic.write_atomic`.

    Raises:
        RefusedInput: As `stroi.cache.storage.assemble.assemble`.
    """
    return b"".join(assemble(fmt, [arrays]).pieces)


def encode_learnt(fmt: FileFormat, arrays: Arrays) -> bytes:
    """`encode` of what a trained network gave: NaN and infinity come from its training.

    Raises:
        RefusedInput: As `encode`.
    """
    try:
        return encode(fmt, arrays)
    except RefusedInput as error:
        if error.code == "NONFINITE":
            error.remedy = (
                "the network's training diverged: lower its learning rate or add warm-up epochs, "
                "and train again"
            )
        raise


def decode(fmt: FileFormat, path: Path) -> dict[str, Array]:
    """Every array of a file, checked and copied into memory.

    Raises:
        RefusedInput: As `map_arrays`, and for ids and values as `check_contents`.
    """
    arrays = map_arrays(fmt, path)
    check_contents(fmt, arrays, str(path))
    return {name: array.copy() for name, array in arrays.items()}


def map_arrays(fmt: FileFormat, path: Path) -> dict[str, Array]:
    """Every array of a file as a read-only view of the mapped file; structure checked, values not.

    A received file must have passed `stroi.cache.verify` before: its headers alone can
    make the library take gigabytes, which only the limits of a process of its own prevent.

    Args:
        fmt: The declaration that the file has to follow.
        path: The file; a link is refused.

    Returns:
        Array of each declared field, as on disk. The views keep the mapping alive.

    Raises:
        RefusedInput: ``H5_OPEN``, and as `map_open`.
    """
    with open_no_link(path, "H5_OPEN") as (fd, size):
        return map_open(fmt, fd, size, str(path))[0]


def map_open(
    fmt: FileFormat, fd: int, size: int, where: str
) -> tuple[dict[str, Array], Callable[[], None]]:
    """The same as `map_arrays` of a file that is open already.

    Args:
        fmt: The declaration that the file has to follow.
        fd: Descriptor of a regular file; it may be closed afterwards.
        size: The file's size in bytes.
        where: The file, for messages.

    Returns:
        Array of each declared field, as on disk, and a function that gives the memory of what
        was read so far back to the system; reading it again costs time, nothing else.

    Raises:
        RefusedInput: ``H5_EOF``, ``H5_SUPERBLOCK``, ``H5_NOT_CLOSED``, ``H5_DAMAGED``,
            ``H5_LINK``, ``H5_EXTERNAL_STORAGE``, ``H5_VIRTUAL``, ``H5_FILTER``, ``H5_LAYOUT``,
            ``H5_SHAPE_BOMB``, ``H5_HOLE``, ``H5_OVERLAP``, ``H5_LENGTHS``, ``H5_EMPTY`` or
            ``SCHEMA``.
    """
    check_superblock(os.pread(fd, SUPERBLOCK_BYTES, 0), size, where)
    offsets, shapes = _read_headers(fmt, fd, size, where)
    mapped = Mapping(fd, size)
    arrays = {
        field.name: np.frombuffer(
            mapped.bytes, field.numpy, prod(shapes[field.name]), offsets[field.name]
        ).reshape(shapes[field.name])
        for field in fmt.fields
    }
    return arrays, mapped.drop_pages


@contextmanager
def no_plugins() -> Iterator[None]:
    """Keep the HDF5 library from loading plugins in a ``with`` block; the search path comes back.

    Listing the names in a hostile file is enough to load one: names can lie behind a filter too.
    The path is one for the whole process, so every other thread that uses h5py waits meanwhile.
    """
    with phil:
        search = [h5py.h5pl.get(place) for place in range(h5py.h5pl.size())]
        try:
            _set_search(())
            yield
        finally:
            _set_search(search)


def _set_search(folders: Sequence[bytes]) -> None:
    while h5py.h5pl.size():
        h5py.h5pl.remove(0)
    for folder in folders:
        h5py.h5pl.append(folder)


def _read_headers(
    fmt: FileFormat, fd: int, size: int, where: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    try:
        # The descriptor, not the path: no one can swap the file between check and use.
        with no_plugins(), h5py.File(f"/dev/fd/{fd}", "r", locking=False) as file:
            return read_headers(fmt, file, size, where)
    except _LIBRARY_ERRORS as error:
        raise refuse("H5_DAMAGED", f"{where}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return ascii(str(error).splitlines()[0] if str(error) else type(error).__name__)[:200]
