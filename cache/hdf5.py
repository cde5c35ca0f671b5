"""Write a declared format as one HDF5 file image; read one as if it were hostile.

Reading never lets the library touch the samples: it only walks the few headers. Each array's
place in the file is then mapped read-only, so no filter, link or foreign file can come in.
"""

from __future__ import annotations

import itertools
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5s, h5t

from stroi.cache.schema import (
    SCHEMA,
    Array,
    Arrays,
    Field,
    Format,
    check_arrays,
    check_contents,
    check_shapes,
    check_version,
    refused,
)
from stroi.cache.superblock import HEADER_BYTES, check_superblock

MAX_OBJECTS = 64
_ATTRIBUTES = (b"kind", b"schema")
_ATTRIBUTE_BYTES = 64
_LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


def encode(fmt: Format, arrays: Arrays) -> bytes:
    """One HDF5 file as bytes: contiguous, uncompressed, equal for equal arrays.

    Args:
        fmt: The declaration.
        arrays: Array of each field, as on disk.

    Returns:
        The file image; write it with `stroi.cache.files.write_atomic`.

    Raises:
        RefusedInput: If the arrays do not fit the declaration (see `check_arrays`).
    """
    check_arrays(fmt, arrays, f"new {fmt.kind} file")
    with h5py.File(
        "image",
        "w",
        driver="core",
        backing_store=False,
        block_size=1 << 22,
        libver=("v108", "v108"),
        alignment_threshold=1,
        alignment_interval=64,
    ) as file:
        file.attrs.create("kind", np.bytes_(fmt.kind))
        file.attrs.create("schema", np.bytes_(SCHEMA))
        for field in fmt.fields:
            dtype = _stored(field)
            file.create_dataset(field.name, data=arrays[field.name].astype(dtype), dtype=dtype)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def decode(fmt: Format, path: Path) -> dict[str, Array]:
    """Every array of a file, checked and copied into memory.

    Raises:
        RefusedInput: As `map_arrays`, and for ids and values as `check_contents`.
    """
    arrays = map_arrays(fmt, path)
    check_contents(fmt, arrays, str(path))
    return {name: array.copy() for name, array in arrays.items()}


def map_arrays(fmt: Format, path: Path) -> dict[str, Array]:
    """Every array of a file as a read-only view of the mapped file; structure checked, values not.

    Args:
        fmt: The declaration that the file has to follow.
        path: The file; a link is refused.

    Returns:
        Array of each declared field, as on disk. The views keep the mapping alive.

    Raises:
        RefusedInput: ``H5_OPEN``, ``H5_EOF``, ``H5_SUPERBLOCK``, ``H5_NOT_CLOSED``,
            ``H5_DAMAGED``, ``H5_LINK``, ``H5_EXTERNAL_STORAGE``, ``H5_VIRTUAL``, ``H5_FILTER``,
            ``H5_LAYOUT``, ``H5_SHAPE_BOMB``, ``H5_HOLE``, ``H5_OVERLAP``, ``H5_LENGTHS``,
            ``H5_EMPTY`` or ``SCHEMA``.
    """
    with _open_regular(path) as (fd, size):
        check_superblock(os.pread(fd, HEADER_BYTES, 0), size, str(path))
        offsets, shapes = _read_headers(fmt, fd, size, str(path))
        mapped = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    return {
        field.name: np.frombuffer(
            mapped, field.numpy, prod(shapes[field.name]), offsets[field.name]
        ).reshape(shapes[field.name])
        for field in fmt.fields
    }


@contextmanager
def _open_regular(path: Path) -> Iterator[tuple[int, int]]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise refused(
            "H5_OPEN", f"{path} cannot be opened: {error.strerror}", "give a regular file"
        ) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise refused("H5_OPEN", f"{path} is not a regular file")
        yield fd, status.st_size
    finally:
        os.close(fd)


def _read_headers(
    fmt: Format, fd: int, size: int, where: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    try:
        # The descriptor, not the path: nobody can swap the file between check and use.
        with h5py.File(f"/dev/fd/{fd}", "r", locking=False) as file:
            return _walk(fmt, file, size, where)
    except _LIBRARY_ERRORS as error:
        raise refused("H5_DAMAGED", f"{where}: {_first_line(error)}") from error


def _walk(
    fmt: Format, file: h5py.File, size: int, where: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    newer = _check_attributes(fmt, file, where)
    group = h5py.h5g.open(file.id, b"/")
    if group.get_num_objs() > MAX_OBJECTS:
        raise refused("SCHEMA", f"{where} holds more than {MAX_OBJECTS} objects")
    declared = {field.name.encode(): field for field in fmt.fields}
    places: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    used: list[tuple[int, int, str]] = []
    for name in sorted(group):
        text = f"{where}: {name.decode('utf-8', 'backslashreplace')!a}"
        if name not in declared and not newer:
            raise refused("SCHEMA", f"{text} does not belong in a {fmt.kind} file")
        dataset = _open_dataset(group, name, text)
        if name not in declared:
            continue
        field = declared[name]
        _check_type(field, dataset.get_type(), text)
        shapes[field.name] = tuple(int(n) for n in dataset.shape)
        total = prod(shapes[field.name]) * field.numpy.itemsize
        places[field.name] = _place(dataset, total, size, text)
        used.append((places[field.name], total, text))
    check_shapes(fmt, shapes, where)
    _check_overlap(used)
    return places, shapes


def _check_attributes(fmt: Format, file: h5py.File, where: str) -> bool:
    """Check kind and schema; True if the file is of a newer minor version, so may hold more."""
    if h5a.get_num_attrs(file.id) > MAX_OBJECTS:
        raise refused("SCHEMA", f"{where} has more than {MAX_OBJECTS} attributes")
    kind, schema = (_attribute(file, name, where) for name in _ATTRIBUTES)
    if kind != fmt.kind:
        raise refused("SCHEMA", f"{where} is a {kind!a} file, want {fmt.kind}", "check the path")
    newer = check_version(schema, where) > check_version(SCHEMA, where)
    if not newer and h5a.get_num_attrs(file.id) != len(_ATTRIBUTES):
        raise refused("SCHEMA", f"{where} has attributes that do not belong in it")
    return newer


def _attribute(file: h5py.File, name: bytes, where: str) -> str:
    text = f"{where}: attribute {name.decode()}"
    if not h5a.exists(file.id, name):
        raise refused("SCHEMA", f"{text} is missing")
    attribute = h5a.open(file.id, name)
    kind = attribute.get_type()
    if (
        kind.get_class() != h5t.STRING
        or kind.is_variable_str()
        or kind.get_size() > _ATTRIBUTE_BYTES
        or attribute.get_space().get_simple_extent_type() != h5s.SCALAR
    ):
        raise refused("SCHEMA", f"{text} is not a short fixed-length text")
    value = np.zeros((), f"S{kind.get_size()}")
    attribute.read(value)
    return bytes(value[()]).decode("ascii", "backslashreplace")


def _open_dataset(group: h5py.h5g.GroupID, name: bytes, text: str) -> h5d.DatasetID:
    if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise refused("H5_LINK", f"{text} is a link", "a shard must hold its own bytes")
    info = h5o.get_info(group, name)
    if info.type != h5o.TYPE_DATASET:
        raise refused("SCHEMA", f"{text} is not an array")
    if info.rc != 1:
        raise refused("H5_LINK", f"{text} has a second name")
    dataset = h5d.open(group, name)
    _check_storage(dataset.get_create_plist(), text)
    if h5a.get_num_attrs(dataset):
        raise refused("SCHEMA", f"{text} has attributes")
    return dataset


def _check_storage(plist: h5py.h5p.PropDCID, text: str) -> None:
    own = "a shard must hold its own bytes"
    if plist.get_external_count() > 0:
        raise refused("H5_EXTERNAL_STORAGE", f"{text} lies in another file", own)
    if plist.get_layout() == h5d.VIRTUAL:
        raise refused("H5_VIRTUAL", f"{text} is put together from others", own)
    if plist.get_nfilters() > 0:
        raise refused(
            "H5_FILTER",
            f"{text} has filter {plist.get_filter(0)[0]}, allowed are none",
            "store it contiguous and uncompressed",
        )
    if plist.get_layout() != h5d.CONTIGUOUS:
        raise refused("H5_LAYOUT", f"{text} is not contiguous")


def _check_type(field: Field, found: h5t.TypeID, text: str) -> None:
    wanted = h5t.py_create(_stored(field))
    if found.get_size() != wanted.get_size() or not found.equal(wanted):
        raise refused(
            "SCHEMA",
            f"{text} has elements of class {found.get_class()} and {found.get_size()} bytes,"
            f" want {field.dtype}",
        )


def _place(dataset: h5d.DatasetID, total: int, size: int, text: str) -> int:
    if total == 0:
        return 0
    if total > size:
        raise refused("H5_SHAPE_BOMB", f"{text} claims {total} bytes, the whole file has {size}")
    offset = dataset.get_offset()
    if offset is None or dataset.get_storage_size() != total:
        raise refused("H5_HOLE", f"{text} was never written in full")
    if offset + total > size:
        raise refused("H5_EOF", f"{text} ends behind the file's end")
    return int(offset)


def _check_overlap(used: list[tuple[int, int, str]]) -> None:
    ordered = sorted(used)
    for (start, length, first), (following, _, second) in itertools.pairwise(ordered):
        if start + length > following:
            raise refused("H5_OVERLAP", f"{first} and {second} share bytes")


def _stored(field: Field) -> np.dtype[np.generic]:
    if field.utf8:
        text: np.dtype[np.generic] = h5py.string_dtype("utf-8", field.numpy.itemsize)
        return text
    return field.numpy


def _first_line(error: BaseException) -> str:
    return ascii(str(error).splitlines()[0] if str(error) else type(error).__name__)[:200]
