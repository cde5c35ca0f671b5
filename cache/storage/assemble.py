"""Put a file of samples together from arrays that stay where they are.

The HDF5 library is asked for the headers alone: it writes into an object that keeps what little
that is, while the arrays are placed where the headers say they lie. So a file costs no memory
besides the samples it is made of, and a full disk cannot hit the library.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from h5py import h5s

from stroi.cache.errors import refuse
from stroi.cache.ids import check_ids, check_sorted, ids_from_array, ids_to_array
from stroi.cache.storage.hdf5_headers import stored_dtype
from stroi.cache.storage.schema import (
    ID_FIELD,
    MAX_FILE_BYTES,
    SCHEMA,
    Array,
    Arrays,
    Field,
    FileFormat,
    check_arrays,
    sample_digests,
)

_SAMPLE_AXES = ("N", "F")


@dataclass(frozen=True)
class Encoded:
    """A file of samples.

    Attributes:
        pieces: Its bytes, in pieces that follow one another.
        sample_sha256: Digest of each sample's content, in the order of the ids.
    """

    pieces: Sequence[bytes | memoryview]
    sample_sha256: tuple[str, ...]

    @property
    def data(self) -> bytes:
        """Its bytes in one piece."""
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(map(len, self.pieces))

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        sha = hashlib.sha256()
        for piece in self.pieces:
            sha.update(piece)
        return sha.hexdigest()


def assemble(fmt: FileFormat, samples: Sequence[Arrays]) -> Encoded:
    """One file of samples: contiguous, uncompressed, of equal bytes for equal samples.

    Args:
        fmt: The declaration.
        samples: Array of each field, as on disk, of one or several samples at a time; they follow
            one another by id. The pieces are views of them.

    Raises:
        RefusedInput: As `check_arrays` if the arrays do not fit the declaration;
            ``FILE_SIZE`` if the file would be larger than any that is read.
    """
    where = f"new {fmt.kind} file"
    if not samples:
        raise refuse("H5_EMPTY", f"{where}: holds nothing")
    for arrays in samples:
        check_arrays(fmt, arrays, where)
    ids = [name for arrays in samples for name in ids_from_array(arrays[ID_FIELD.name])]
    check_ids(ids, where=where)
    check_sorted(ids, where=where)
    parts = {field.name: _parts(field, samples, where) for field in fmt.fields}
    pieces = _pieces(fmt, parts, where)
    digests = itertools.chain(*(sample_digests(fmt, arrays) for arrays in samples))
    return Encoded(pieces, tuple(digests))


def assemble_clips(fmt: FileFormat, ids: Sequence[str], clips: Sequence[Arrays]) -> Encoded:
    """One file of one clip per id; as `assemble`.

    Args:
        fmt: The declaration.
        ids: N sample ids, sorted.
        clips: Array of each field but the id, of each clip.

    Raises:
        ValueError: If there are not as many clips as ids.
        RefusedInput: As `assemble`.
    """
    if len(ids) != len(clips):
        raise ValueError(f"{len(ids)} ids for {len(clips)} clips")
    named = zip(ids, clips, strict=True)
    return assemble(fmt, [{ID_FIELD.name: ids_to_array((name,)), **each} for name, each in named])


def _parts(field: Field, samples: Sequence[Arrays], where: str) -> list[Array]:
    """Arrays of a field, to be joined along their first axis."""
    if field.dims[0] not in _SAMPLE_AXES:
        return [np.ascontiguousarray(samples[0][field.name])]
    parts = [np.ascontiguousarray(arrays[field.name]) for arrays in samples]
    for part in parts:
        if part.shape[1:] != parts[0].shape[1:]:
            raise refuse(
                "H5_LENGTHS",
                f"{where}: {field.name} of a sample is {part.shape[1:]}, of the first"
                f" {parts[0].shape[1:]}",
            )
    return parts


def _pieces(fmt: FileFormat, parts: dict[str, list[Array]], where: str) -> list[bytes | memoryview]:
    size = sum(part.nbytes for field in parts.values() for part in field)
    if size > MAX_FILE_BYTES:
        raise refuse(
            "FILE_SIZE",
            f"{where}: its samples take {size} bytes, a file holds at most {MAX_FILE_BYTES}",
            "put fewer samples into a file: lower clips_per_shard",
        )
    headers = _Headers()
    offsets = _lay_out(fmt, parts, headers)
    pieces: list[bytes | memoryview] = []
    at = 0
    for offset, name in sorted((offset, name) for name, offset in offsets.items()):
        pieces.append(headers.cut(at, offset))
        pieces += [part.reshape(-1).view(np.uint8).data for part in parts[name]]
        at = offset + sum(part.nbytes for part in parts[name])
    pieces.append(headers.cut(at, headers.end))
    return pieces


def _lay_out(fmt: FileFormat, parts: dict[str, list[Array]], headers: _Headers) -> dict[str, int]:
    """Have the library write the headers; where each array begins in the file, by field."""
    offsets = {}
    with h5py.File(
        headers,
        "w",
        libver=("v108", "v108"),
        alignment_threshold=1,
        alignment_interval=64,
    ) as file:
        file.attrs.create("kind", np.bytes_(fmt.kind))
        file.attrs.create("schema", np.bytes_(SCHEMA))
        for field in fmt.fields:
            first = parts[field.name][0]
            shape = (sum(map(len, parts[field.name])), *first.shape[1:])
            dataset = file.create_dataset(field.name, shape, stored_dtype(field)).id
            # An array gets its place when the first of its elements is written.
            place = dataset.get_space()
            place.select_elements(np.zeros((1, len(shape)), np.uint64))
            one = np.zeros(1, first.dtype)
            dataset.write(h5s.create_simple((1,)), place, one, dataset.get_type())
            offsets[field.name] = int(dataset.get_offset())
    return offsets


class _Headers(io.RawIOBase):
    """A file that keeps what is written to it, be it as long as it may: most of it never is."""

    def __init__(self) -> None:
        super().__init__()
        self.end = 0
        self._at = 0
        self._written: list[tuple[int, bytes]] = []

    def cut(self, start: int, stop: int) -> bytes:
        """Its bytes from `start` to `stop`; zero where none was written."""
        data = bytearray(stop - start)
        for offset, written in self._written:
            first, last = max(offset, start), min(offset + len(written), stop)
            if first < last:
                data[first - start : last - start] = written[first - offset : last - offset]
        return bytes(data)

    def seekable(self) -> bool:
        """Whether it can be read and written at any place."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.end}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        """Keep `data` and go behind it."""
        self._written.append((self._at, bytes(data)))
        self._at += len(self._written[-1][1])
        self.end = max(self.end, self._at)
        return len(self._written[-1][1])

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Read all that `buffer` has room for."""
        view = memoryview(buffer).cast("B")
        view[:] = self.cut(self._at, self._at + len(view))
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the end."""
        self.end = self._at if size is None else size
        return self.end
