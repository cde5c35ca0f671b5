"""What the headers of an opened HDF5 file say, with everything refused that ours never hold.

Only the low-level interface is used: it opens nothing that was not checked first.
"""

from __future__ import annotations

import itertools
import struct
from math import prod

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5s, h5t

from stroi.cache.errors import refuse
from stroi.cache.storage.schema import SCHEMA, Field, FileFormat, check_shapes, check_version

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK_BYTES = 96
MAX_OBJECTS = 64
_ATTRIBUTES = (b"kind", b"schema")
_ATTRIBUTE_BYTES = 64
_OWN = "a shard must hold its own bytes"
_UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF


def check_superblock(header: bytes, size: int, where: str) -> None:
    """Refuse a file that is cut, extended, still open for writing, or oddly laid out.

    Args:
        header: The file's first `SUPERBLOCK_BYTES` bytes, or fewer if it has fewer.
        size: The file's size in bytes.
        where: The file, for messages.

    Raises:
        RefusedInput: ``H5_EOF``, ``H5_NOT_CLOSED`` or ``H5_SUPERBLOCK``.
    """
    if not header.startswith(SIGNATURE):
        raise refuse("H5_SUPERBLOCK", f"{where} is not an HDF5 file")
    if len(header) < SUPERBLOCK_BYTES:
        raise refuse("H5_EOF", f"{where} is cut after {size} bytes")
    version = header[8]
    if version not in (0, 2, 3):
        raise refuse("H5_SUPERBLOCK", f"{where}: superblock version {version} is not ours")
    if version == 0:
        widths, flags = header[13:15], 0
        base, _, end, driver = struct.unpack_from("<4Q", header, 24)
    else:
        widths, flags = header[9:11], header[11]
        base, driver, end, _ = struct.unpack_from("<4Q", header, 12)
    if flags:
        raise refuse("H5_NOT_CLOSED", f"{where} was left open by its writer")
    if widths != b"\x08\x08" or base != 0 or driver != _UNDEFINED:
        raise refuse("H5_SUPERBLOCK", f"{where} has a user block, a driver block or odd addresses")
    if end != size:
        raise refuse("H5_EOF", f"{where} has {size} bytes, its header says {end}")


def read_headers(
    fmt: FileFormat, file: h5py.File, size: int, where: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Place and shape of every declared array of a file.

    Args:
        fmt: The declaration that the file has to follow. A file of a newer minor version may
            hold further arrays, which are checked and left alone.
        file: The file, open for reading.
        size: Its size in bytes.
        where: The file, for messages.

    Returns:
        For each declared field the offset of its first byte in the file, and its shape.

    Raises:
        RefusedInput: ``H5_LINK``, ``H5_EXTERNAL_STORAGE``, ``H5_VIRTUAL``, ``H5_FILTER``,
            ``H5_LAYOUT``, ``H5_SHAPE_BOMB``, ``H5_HOLE``, ``H5_EOF``, ``H5_OVERLAP``,
            ``H5_LENGTHS``, ``H5_EMPTY`` or ``SCHEMA``.
    """
    newer = _check_attributes(fmt, file, where)
    group = h5py.h5g.open(file.id, b"/")
    if group.get_num_objs() > MAX_OBJECTS:
        raise refuse("SCHEMA", f"{where} holds more than {MAX_OBJECTS} objects")
    declared = {field.name.encode(): field for field in fmt.fields}
    places: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    used: list[tuple[int, int, str]] = []
    for name in sorted(group):
        text = f"{where}: {name.decode('utf-8', 'backslashreplace')!a}"
        dataset = _open_dataset(group, name, text)
        field = declared.get(name)
        if field is None and newer:
            continue
        if field is None:
            raise refuse("SCHEMA", f"{text} does not belong in a {fmt.kind} file")
        _check_type(field, dataset.get_type(), text)
        # None is what the library says of a data set without a shape.
        shapes[field.name] = tuple(int(n) for n in dataset.shape or ())
        total = prod(shapes[field.name]) * field.numpy.itemsize
        places[field.name] = _place(dataset, total, size, text)
        used.append((places[field.name], total, text))
    check_shapes(fmt, shapes, where)
    _check_overlap(used)
    return places, shapes


def stored_dtype(field: Field) -> np.dtype[np.generic]:
    """The dtype to give the library, which knows ASCII from UTF-8."""
    if field.utf8:
        text: np.dtype[np.generic] = h5py.string_dtype("utf-8", field.numpy.itemsize)
        return text
    return field.numpy


def _check_attributes(fmt: FileFormat, file: h5py.File, where: str) -> bool:
    """Check kind and schema; True if the file is of a newer minor version, so may hold more."""
    if h5a.get_num_attrs(file.id) > MAX_OBJECTS:
        raise refuse("SCHEMA", f"{where} has more than {MAX_OBJECTS} attributes")
    kind, schema = (_attribute(file, name, where) for name in _ATTRIBUTES)
    if kind != fmt.kind:
        raise refuse("SCHEMA", f"{where} is a {kind!a} file, want {fmt.kind}", "check the path")
    newer = check_version(schema, where) > check_version(SCHEMA, where)
    if not newer and h5a.get_num_attrs(file.id) != len(_ATTRIBUTES):
        raise refuse("SCHEMA", f"{where} has attributes that do not belong in it")
    return newer


def _attribute(file: h5py.File, name: bytes, where: str) -> str:
    text = f"{where}: attribute {name.decode()}"
    if not h5a.exists(file.id, name):
        raise refuse("SCHEMA", f"{text} is missing")
    attribute = h5a.open(file.id, name)
    kind = attribute.get_type()
    if (
        kind.get_class() != h5t.STRING
        or kind.is_variable_str()
        or kind.get_size() > _ATTRIBUTE_BYTES
        or attribute.get_space().get_simple_extent_type() != h5s.SCALAR
    ):
        raise refuse("SCHEMA", f"{text} is not a short fixed-length text")
    value = np.zeros((), f"S{kind.get_size()}")
    attribute.read(value)
    return bytes(value[()]).decode("ascii", "backslashreplace")


def _open_dataset(group: h5py.h5g.GroupID, name: bytes, text: str) -> h5d.DatasetID:
    if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise refuse("H5_LINK", f"{text} is a link", _OWN)
    info = h5o.get_info(group, name)
    if info.type != h5o.TYPE_DATASET:
        raise refuse("SCHEMA", f"{text} is not an array")
    if info.rc != 1:
        raise refuse("H5_LINK", f"{text} has a second name")
    dataset = h5d.open(group, name)
    _check_storage(dataset.get_create_plist(), text)
    if h5a.get_num_attrs(dataset):
        raise refuse("SCHEMA", f"{text} has attributes")
    return dataset


def _check_storage(plist: h5py.h5p.PropDCID, text: str) -> None:
    if plist.get_external_count() > 0:
        raise refuse("H5_EXTERNAL_STORAGE", f"{text} lies in another file", _OWN)
    if plist.get_layout() == h5d.VIRTUAL:
        raise refuse("H5_VIRTUAL", f"{text} is put together from others", _OWN)
    if plist.get_nfilters() > 0:
        raise refuse(
            "H5_FILTER",
            f"{text} has filter {plist.get_filter(0)[0]}, allowed are none",
            "store it contiguous and uncompressed",
        )
    if plist.get_layout() != h5d.CONTIGUOUS:
        raise refuse("H5_LAYOUT", f"{text} is not contiguous")


def _check_type(field: Field, stored: h5t.TypeID, text: str) -> None:
    expected = h5t.py_create(stored_dtype(field))
    if stored.get_size() != expected.get_size() or not stored.equal(expected):
        raise refuse(
            "SCHEMA",
            f"{text} has elements of class {stored.get_class()} and {stored.get_size()} bytes,"
            f" want {field.dtype}",
        )


def _place(dataset: h5d.DatasetID, total: int, size: int, text: str) -> int:
    if total == 0:
        return 0
    if total > size:
        raise refuse("H5_SHAPE_BOMB", f"{text} claims {total} bytes, the whole file has {size}")
    offset = dataset.get_offset()
    if offset is None or dataset.get_storage_size() != total:
        raise refuse("H5_HOLE", f"{text} was never written in full")
    if offset + total > size:
        raise refuse("H5_EOF", f"{text} ends behind the file's end")
    return int(offset)


def _check_overlap(used: list[tuple[int, int, str]]) -> None:
    ordered = sorted(used)
    for (start, length, first), (following, _, second) in itertools.pairwise(ordered):
        if start + length > following:
            raise refuse("H5_OVERLAP", f"{first} and {second} share bytes")
