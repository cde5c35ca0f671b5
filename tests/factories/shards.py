"""Shards as nobody should write them: each is a good one with one thing wrong.

Every builder changes the first shard of a small cache in a folder `Place.folder`. The manifest is
made to match afterwards, for a stranger's manifest agrees with a stranger's file.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from assembled import assemble_mosaics
from small_caches import make_mosaics, write_cache

from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest, write_manifest

GIB = 1 << 30
IDS = ("a-1", "a-2", "a-3")
CANARY = "the canary sings outside the cache"


@dataclass(frozen=True)
class Place:
    """Where a case lies: the cache, and what is outside of it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "cache"

    @property
    def shard(self) -> Path:
        return self.folder / "mosaics-00000.h5"

    @property
    def canary(self) -> Path:
        """A text file that must be neither read nor written."""
        return self.root / "outside" / "canary.txt"

    @property
    def canary_h5(self) -> Path:
        """An HDF5 file that holds all arrays of a shard."""
        return self.root / "outside" / "canary.h5"

    @property
    def plugins(self) -> Path:
        """A folder of HDF5 plugins; who looks into its only one hangs."""
        return self.root / "outside" / "plugins"


Spoil = Callable[[Place], object]
Edit = Callable[[h5py.File, Place], object]


def build(root: Path, spoil: Spoil, *, match: bool = True) -> Place:
    """A cache of two shards, the first spoilt; the manifest matches unless told otherwise."""
    place = Place(root)
    place.plugins.mkdir(parents=True)
    os.mkfifo(place.plugins / "libevil.so")
    place.canary.write_text(CANARY * 500)
    write_cache(place.folder, [make_mosaics(IDS, seed=1), make_mosaics(("b-1", "b-2"), seed=2)])
    place.canary_h5.write_bytes(place.shard.read_bytes())
    spoil(place)
    if match:
        match_manifest(place)
    return place


def match_manifest(place: Place) -> None:
    """Make the manifest say what is there."""
    manifest = read_manifest(place.folder)
    size = place.shard.stat().st_size if place.shard.exists() else 0
    digest = sha256_file(place.shard) if place.shard.is_file() and size <= GIB else "0" * 64
    changed = replace(manifest.files[0], bytes=size, sha256=digest)
    write_manifest(place.folder, replace(manifest, files=(changed, *manifest.files[1:])))


def edited(edit: Edit) -> Spoil:
    """Change the shard through the library, which keeps all checksums of headers right."""

    def spoil(place: Place) -> None:
        with h5py.File(place.shard, "r+", libver=("v108", "latest")) as file:
            edit(file, place)

    return spoil


def again(name: str, **options: object) -> Spoil:
    """Store an array another way; `data` may be other data."""

    def edit(file: h5py.File, _: Place) -> None:
        data = file[name][()]
        del file[name]
        file.create_dataset(name, **({"data": data} | options))

    return edited(edit)


def values(name: str, at: int | slice, value: object) -> Spoil:
    """Another value in one place of an array."""

    def edit(file: h5py.File, _: Place) -> None:
        data = file[name][()]
        data.reshape(-1)[at] = value
        file[name].write_direct(data)

    return edited(edit)


def ids(*names: str) -> Spoil:
    """Other sample ids."""
    data = np.array([name.encode() for name in names])
    return again("sample_id", data=data.astype(f"S{max(64, data.itemsize)}"))


def bytes_of(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the file's bytes."""

    def spoil(place: Place) -> None:
        place.shard.write_bytes(change(place.shard.read_bytes()))

    return spoil


def rewritten(**options: object) -> Spoil:
    """The same arrays in a file with another frame."""

    def spoil(place: Place) -> None:
        rewrite(place.shard, place.shard, **options)

    return spoil


def rewrite(source: Path, target: Path, **options: object) -> None:
    """Copy a shard's arrays and attributes into a new file."""
    data = io.BytesIO(source.read_bytes())
    with h5py.File(data) as old, h5py.File(target, "w", **options) as new:
        copy(old, new)


def copy(old: h5py.File, new: h5py.File) -> None:
    """Write everything again, with headers as the other file's version has them."""
    for name, value in old.attrs.items():
        new.attrs.create(name, value)
    for name in old:
        new.create_dataset(name, data=old[name][()])


def patched(place_in_file: int, value: bytes) -> Spoil:
    """Patch the superblock of version 0, which no checksum guards."""

    def spoil(place: Place) -> None:
        rewrite(place.shard, place.shard, libver="earliest")
        data = place.shard.read_bytes()
        end = place_in_file + len(value)
        place.shard.write_bytes(data[:place_in_file] + value + data[end:])

    return spoil


def other_file(make: Callable[[Place], object]) -> Spoil:
    """Something else under the shard's name."""

    def spoil(place: Place) -> None:
        place.shard.unlink()
        make(place)

    return spoil


def external_link(file: h5py.File, place: Place) -> None:
    del file["mosaic"]
    file["mosaic"] = h5py.ExternalLink(str(place.canary_h5), "/mosaic")


def link_through_external(file: h5py.File, place: Place) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(place.canary_h5), "/")
    del file["mosaic"]
    file["mosaic"] = h5py.SoftLink("/elsewhere/mosaic")


def soft_alias(file: h5py.File, _: Place) -> None:
    file.move("mosaic", "pixels")
    file["mosaic"] = h5py.SoftLink("/pixels")


def hard_alias(file: h5py.File, _: Place) -> None:
    del file["valid"]
    file["valid"] = file["confidence"]


def external_storage(file: h5py.File, place: Place) -> None:
    shape, size = file["mosaic"].shape, file["mosaic"].nbytes
    del file["mosaic"]
    file.create_dataset("mosaic", shape, "|u1", external=[(str(place.canary), 0, size)])


def virtual(file: h5py.File, place: Place) -> None:
    shape = file["mosaic"].shape
    del file["mosaic"]
    layout = h5py.VirtualLayout(shape, "|u1")
    layout[:] = h5py.VirtualSource(str(place.canary_h5), "mosaic", shape)
    file.create_virtual_dataset("mosaic", layout)


def filtered(*filters: tuple[int, tuple[int, ...]], chunk: bytes, mask: int = 0) -> Spoil:
    """The pixels as one chunk of any bytes behind any filters, none of which is called."""

    def edit(file: h5py.File, _: Place) -> None:
        shape = file["mosaic"].shape
        del file["mosaic"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(shape)
        for code, options in filters:
            plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, options)
        space = h5py.h5s.create_simple(shape)
        made = h5py.h5d.create(file.id, b"mosaic", h5py.h5t.STD_U8LE, space, plist)
        made.write_direct_chunk((0, 0, 0, 0), chunk, mask)

    return edited(edit)


def bomb(size: int = 2 * GIB) -> bytes:
    """A deflate stream of a thousandth of the `size` that it inflates to."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    count = size >> 20
    # Adler-32 of n zeros, and an empty last block.
    adler = (size % 65521) << 16 | 1
    return head + piece * (count - 1) + b"\x03\x00" + adler.to_bytes(4, "big")


def long_texts(place: Place) -> None:
    """Ten thousand texts that are all the same 8 MB on the disk."""
    with h5py.File(place.shard, "r+", libver=("v108", "latest")) as file:
        del file["sample_id"]
        text = h5py.string_dtype("ascii")
        made = file.create_dataset("sample_id", (10_000,), text)
        made[0] = "a" * 8_000_000
        start = made.id.get_offset()
    data = bytearray(place.shard.read_bytes())
    data[start : start + 160_000] = data[start : start + 16] * 10_000
    place.shard.write_bytes(data)


def chunk_count_bomb(file: h5py.File, _: Place) -> None:
    del file["person_count"]
    file.create_dataset("person_count", (10**8,), "|i1", chunks=(1,))


def huge_chunk(file: h5py.File, _: Place) -> None:
    del file["person_count"]
    file.create_dataset(
        "person_count", (3,), "|i1", chunks=(1 << 31,), maxshape=(None,), compression="gzip"
    )


def hole(file: h5py.File, _: Place) -> None:
    shape = file["mosaic"].shape
    del file["mosaic"]
    file.create_dataset("mosaic", shape, "|u1")


def overlapping(place: Place) -> None:
    """Point the confidences at the boxes, where no checksum guards the headers."""
    rewrite(place.shard, place.shard, libver="earliest")
    with h5py.File(place.shard) as file:
        old, new = (file[name].id.get_offset() for name in ("confidence", "box"))
    data = place.shard.read_bytes()
    found = old.to_bytes(8, "little")
    if data.count(found) != 1:
        raise ValueError("the address stands more than once")
    place.shard.write_bytes(data.replace(found, new.to_bytes(8, "little")))


def killed_writer(place: Place) -> None:
    """What a writer that works in place leaves when it is killed."""
    target = place.shard.with_name("new")
    with h5py.File(place.canary_h5) as old, h5py.File(target, "w", libver="latest") as new:
        copy(old, new)
        new.flush()
        place.shard.write_bytes(target.read_bytes())
    target.unlink()


def blind_spot(place: Place) -> None:
    """A word of zeros turned to ones, which Fletcher's checksum cannot see."""
    values("mosaic", slice(900, 902), 0)(place)
    match_manifest(place)
    values("mosaic", slice(900, 902), 255)(place)


def family(place: Place) -> None:
    """A member of a family of files, which has a driver information block."""
    name = place.root / "outside" / "member%d.h5"
    rewrite(place.shard, name, libver="earliest", driver="family", memb_size=1 << 30)
    (place.root / "outside" / "member0.h5").replace(place.shard)


def in_the_header(file: h5py.File, _: Place) -> None:
    """The flags inside the object header instead of the file's body."""
    data = file["person_count"][()]
    del file["person_count"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(data.shape)
    made = h5py.h5d.create(file.id, b"person_count", h5py.h5t.STD_I8LE, space, plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


def of_another_cache(*, columns: int = 3, rows: int = 5) -> Spoil:
    """A good shard that was made with other params."""

    def spoil(place: Place) -> None:
        made = make_mosaics(IDS)
        other = replace(
            made,
            mosaic=np.zeros((3, rows * 4, columns * 4, 3), np.uint8),
            frame_index=np.zeros((3, columns), np.int32),
            box=np.zeros((3, 2, columns, rows, 4), np.float32),
            confidence=np.zeros((3, 2, columns, rows), np.float32),
            valid=np.zeros((3, 2, columns, rows), np.bool_),
        )
        place.shard.write_bytes(assemble_mosaics([other]).data)

    return spoil


def sparse(size: int) -> Spoil:
    """A file of zeros that takes no room."""

    def spoil(place: Place) -> None:
        with place.shard.open("wb") as file:
            file.truncate(size)

    return spoil
