"""Shards whose arrays' names lie behind a filter, so that listing them is what does the harm.

The library keeps the names of a group in a "fractal heap", which may be filtered. No interface of
h5py asks for that; the library itself does, and the rest is patched (HDF5 File Format
Specification 3.0, III.G "Fractal Heap Header").
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import h5py
from shards import Place, bomb, copy

_DEFLATE, _FOREIGN = 1, 32001
_FILTER_BYTES, _ROOT, _FILTERED_SIZE, _FILTERS = 7, 132, 142, 154
_END_OF_FILE, _SUPERBLOCK_SUM = 28, 44
_WORD = 0xFFFF_FFFF


def names_behind_a_plugin(place: Place) -> None:
    """The names can be read only with a filter that a plugin has."""
    data, start = _with_filtered_names(place)
    pipeline = bytes([2, 1]) + _FOREIGN.to_bytes(2, "little") + bytes(6)
    data[start + _FILTER_BYTES : start + _FILTER_BYTES + 2] = len(pipeline).to_bytes(2, "little")
    data[start + _FILTERS : start + _FILTERS + len(pipeline)] = pipeline
    _sum(data, start, start + _FILTERS + len(pipeline))
    place.shard.write_bytes(data)


def names_as_a_bomb(place: Place) -> None:
    """The names inflate to 2 GiB."""
    data, start = _with_filtered_names(place)
    payload = bomb()
    _put(data, start + _ROOT, len(data))
    _put(data, start + _FILTERED_SIZE, len(payload))
    length = int.from_bytes(data[start + _FILTER_BYTES : start + _FILTER_BYTES + 2], "little")
    _sum(data, start, start + _FILTERS + length)
    data += payload
    _put(data, _END_OF_FILE, len(data))
    _sum(data, 0, _SUPERBLOCK_SUM)
    place.shard.write_bytes(data)


def deflated_names(place: Place) -> None:
    """The names are deflated, in good faith."""
    _with_filtered_names(place)


def _with_filtered_names(place: Place) -> tuple[bytearray, int]:
    """Write the shard again so; its bytes, and where the heap's header stands."""
    made = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    library = _library()
    level = (ctypes.c_uint * 1)(9)
    failed = library.H5Pset_filter(made.id, _DEFLATE, 0, 1, level)
    if failed or library.H5Pset_link_phase_change(made.id, 0, 0):
        raise OSError("the HDF5 library does as it likes")
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    file = h5py.h5f.create(bytes(place.shard), h5py.h5f.ACC_TRUNC, made, access)
    with h5py.File(place.canary_h5) as old, h5py.File(file) as new:
        copy(old, new)
    file.close()
    data = bytearray(place.shard.read_bytes())
    return data, data.index(b"FRHP")


def _library() -> ctypes.CDLL:
    """The HDF5 library that h5py uses."""
    mapped = Path("/proc/self/maps").read_text().split()
    library = ctypes.CDLL(next(name for name in mapped if "/libhdf5" in name and "_hl" not in name))
    library.H5Pset_filter.argtypes = [
        ctypes.c_int64, ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p,
    ]  # fmt: skip
    library.H5Pset_link_phase_change.argtypes = [ctypes.c_int64, ctypes.c_uint, ctypes.c_uint]
    return library


def _put(data: bytearray, place: int, value: int) -> None:
    data[place : place + 8] = value.to_bytes(8, "little")


def _sum(data: bytearray, start: int, end: int) -> None:
    data[end : end + 4] = lookup3(bytes(data[start:end])).to_bytes(4, "little")


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash, the checksum of HDF5's headers."""
    state = [(0xDEADBEEF + len(data)) & _WORD] * 3
    blocks = [data[place : place + 12] for place in range(0, len(data), 12)] or [b""]
    for block in blocks[:-1]:
        _add(state, block)
        for to, by, of, shift in _MIX:
            state[to] = (state[to] - state[by]) & _WORD
            state[to] ^= _rotate(state[by], shift)
            state[by] = (state[by] + state[of]) & _WORD
    if blocks[-1]:
        _add(state, blocks[-1])
        for to, by, shift in _FINISH:
            state[to] = ((state[to] ^ state[by]) - _rotate(state[by], shift)) & _WORD
    return state[2]


_MIX = ((0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4))
_FINISH = (
    (2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24),
)  # fmt: skip


def _add(state: list[int], block: bytes) -> None:
    block = block.ljust(12, b"\0")
    for number in range(3):
        word = int.from_bytes(block[4 * number : 4 * number + 4], "little")
        state[number] = (state[number] + word) & _WORD


def _rotate(word: int, shift: int) -> int:
    return (word << shift | word >> (32 - shift)) & _WORD
