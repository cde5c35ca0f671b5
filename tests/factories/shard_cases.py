"""The table of hostile shards: what is wrong with each, and how it is refused."""

from __future__ import annotations

import os
import zlib

import h5py
import heaps
import numpy as np
import shards
from refusals import Case
from shards import GIB, again, bytes_of, edited, filtered, ids, other_file, values

PICKLE = b"cposix\nsystem\n(S'touch owned'\ntR."
DEFLATE, SHUFFLE, FLETCHER, FOREIGN = (1, (9,)), (2, ()), (3, ()), (32001, ())

CASES = (
    # Links: every one that is not the only hard link, also if nobody uses it.
    Case("external link", edited(shards.external_link), "H5_LINK", "'mosaic' is a link"),
    Case(
        "unused external link",
        edited(lambda f, p: f.update(more=h5py.ExternalLink(str(p.canary), "/x"))),
        "H5_LINK",
        "'more' is a link; a shard must hold its own bytes",
    ),
    Case(
        "soft link through an external one",
        edited(shards.link_through_external),
        "H5_LINK",
        "'elsewhere' is a link",
    ),
    Case("soft alias", edited(shards.soft_alias), "H5_LINK", "'mosaic' is a link"),
    Case(
        "dangling link",
        edited(lambda f, _: f.update(more=h5py.SoftLink("/nowhere"))),
        "H5_LINK",
        "'more' is a link",
    ),
    Case(
        "soft link to itself",
        edited(lambda f, _: f.update(more=h5py.SoftLink("/more"))),
        "H5_LINK",
        "'more' is a link",
    ),
    Case(
        "hard link to the root",
        edited(lambda f, _: f.update(more=f["/"])),
        "SCHEMA",
        "'more' is not an array",
    ),
    Case("two names for one array", edited(shards.hard_alias), "H5_LINK", "has a second name"),
    # Bytes of other files.
    Case(
        "external storage",
        edited(shards.external_storage),
        "H5_EXTERNAL_STORAGE",
        "'mosaic' lies in another file",
    ),
    Case("virtual", edited(shards.virtual), "H5_VIRTUAL", "'mosaic' is put together from others"),
    # Filters and chunks: all of them, so that nothing is ever inflated.
    Case("plugin filter", filtered(FOREIGN, chunk=b"x"), "H5_FILTER", "filter 32001, allowed are"),
    Case(
        "plugin behind a known filter",
        filtered(SHUFFLE, FOREIGN, chunk=b"x"),
        "H5_FILTER",
        "filter 2, allowed are none",
    ),
    Case(
        "inflate bomb in an honest shape",
        filtered(DEFLATE, chunk=shards.bomb()),
        "H5_FILTER",
        "filter 1, allowed are none",
    ),
    Case(
        "deflated twice",
        filtered(DEFLATE, DEFLATE, chunk=zlib.compress(shards.bomb())),
        "H5_FILTER",
        "filter 1, allowed are none",
    ),
    Case(
        "deflated inside the limits",
        again("mosaic", compression="gzip"),
        "H5_FILTER",
        "filter 1, allowed are none",
    ),
    Case(
        "checksum that a mask switches off",
        filtered(FLETCHER, chunk=bytes(2700), mask=1),
        "H5_FILTER",
        "filter 3, allowed are none",
    ),
    Case("chunks", again("mosaic", chunks=(1, 20, 12, 3)), "H5_LAYOUT", "is not contiguous"),
    Case("a hundred million chunks", edited(shards.chunk_count_bomb), "H5_LAYOUT", "contiguous"),
    Case("chunk of 2 GiB", edited(shards.huge_chunk), "H5_FILTER", "filter 1"),
    Case("compact layout", edited(shards.in_the_header), "H5_LAYOUT", "is not contiguous"),
    # Claims.
    Case(
        "shape of 1 TiB",
        again("mosaic", data=None, shape=(GIB, 20, 12, 3), dtype="|u1"),
        "H5_SHAPE_BOMB",
        "claims 773094113280 bytes, the whole file has",
    ),
    Case(
        "shape of 4 EiB",
        again("frame_index", data=None, shape=(GIB, GIB), dtype="<i4"),
        "H5_SHAPE_BOMB",
        "claims 4611686018427387904 bytes",
    ),
    Case(
        "element of 512 MiB",
        again("sample_id", data=None, shape=(3,), dtype="S536870912"),
        "SCHEMA",
        "elements of class 3 and 536870912 bytes, want S64",
    ),
    Case("8 MB ten thousand times", shards.long_texts, "SCHEMA", "elements of class 3"),
    Case("never written", edited(shards.hole), "H5_HOLE", "'mosaic' was never written in full"),
    Case("overlap", shards.overlapping, "H5_OVERLAP", "share bytes"),
    # Types.
    Case(
        "compound",
        again("person_count", data=np.zeros(3, [("a", "|i1")])),
        "SCHEMA",
        "elements of class 6",
    ),
    Case(
        "references",
        again("box", data=None, shape=(3, 2, 3, 5, 4), dtype=h5py.ref_dtype),
        "SCHEMA",
        "elements of class 7",
    ),
    Case(
        "opaque",
        again("person_count", data=np.zeros(3, "V1")),
        "SCHEMA",
        "elements of class 5",
    ),
    Case("big endian", again("box", dtype=">f4"), "SCHEMA", "of class 1 and 4 bytes, want <f4"),
    Case("double", again("box", dtype="<f8"), "SCHEMA", "of class 1 and 8 bytes, want <f4"),
    # What does not belong.
    Case(
        "pickle in an attribute",
        edited(lambda f, _: f.attrs.update(note=np.void(PICKLE))),
        "SCHEMA",
        "attributes that do not belong in it",
    ),
    Case(
        "pickle in an attribute of an array",
        edited(lambda f, _: f["mosaic"].attrs.update(note=np.void(PICKLE))),
        "SCHEMA",
        "'mosaic' has attributes",
    ),
    Case(
        "many attributes",
        edited(lambda f, _: [f.attrs.create(f"a{i}", i) for i in range(100)]),
        "SCHEMA",
        "more than 64 attributes",
    ),
    Case(
        "many objects",
        edited(lambda f, _: [f.create_group(f"g{i}") for i in range(100)]),
        "SCHEMA",
        "more than 64 objects",
    ),
    Case(
        "name that clears the screen",
        edited(lambda f, _: f.create_group("\x1b[2J\u202e")),
        "SCHEMA",
        r"'\x1b[2J\u202e' is not an array",
    ),
    Case(
        "labels",
        edited(lambda f, _: f.update(label=np.array([-1, 0, 99]))),
        "SCHEMA",
        "'label' does not belong in a mosaics file",
    ),
    # The frame of the file.
    Case(
        "user block",
        shards.rewritten(userblock_size=512),
        "H5_SUPERBLOCK",
        "is not an HDF5 file",
    ),
    Case("trailing bytes", bytes_of(lambda b: b + b"#!/bin/sh"), "H5_EOF", "its header says"),
    Case("cut", bytes_of(lambda b: b[:-1]), "H5_EOF", "its header says"),
    Case("cut to nothing", bytes_of(lambda b: b""), "H5_SUPERBLOCK", "is not an HDF5 file"),
    Case("wrong end", shards.patched(40, bytes(8)), "H5_EOF", "its header says 0"),
    Case("other base", shards.patched(24, b"\x10"), "H5_SUPERBLOCK", "odd addresses"),
    Case("driver block", shards.family, "H5_SUPERBLOCK", "a driver block or odd addresses"),
    Case(
        "superblock extension",
        shards.rewritten(libver=("v110", "v110"), fs_strategy="page", fs_persist=True),
        "H5_SUPERBLOCK",
        "a driver block or odd addresses",
    ),
    Case("killed writer", shards.killed_writer, "H5_NOT_CLOSED", "was left open by its writer"),
    Case("unknown version", shards.patched(8, b"\x09"), "H5_SUPERBLOCK", "version 9 is not ours"),
    Case(
        "zeros behind a good start",
        bytes_of(lambda b: b[:64] + bytes(len(b) - 64)),
        "H5_DAMAGED",
        "",
    ),
    # Not a file of samples at all.
    Case("pipe", other_file(lambda p: os.mkfifo(p.shard)), "FILE_TYPE", "not a regular file"),
    Case("folder", other_file(lambda p: p.shard.mkdir()), "FILE_TYPE", "not a regular file"),
    Case(
        "link to a good shard",
        other_file(lambda p: p.shard.symlink_to(p.canary_h5)),
        "FILE_TYPE",
        "not a regular file",
    ),
    Case(
        "link to a device",
        other_file(lambda p: p.shard.symlink_to("/dev/zero")),
        "FILE_TYPE",
        "not a regular file",
    ),
    Case(
        "pickle",
        bytes_of(lambda b: PICKLE + bytes(500)),
        "H5_SUPERBLOCK",
        "is not an HDF5 file",
    ),
    Case(
        "3 GiB of nothing",
        shards.sparse(3 * GIB),
        "FILE_SIZE",
        "has 3221225472 bytes, allowed are 2147483648; rebuild it with fewer clips",
    ),
    # Ids are not paths, not options, not formulas, not formats.
    Case("id with a line feed", ids("a-1", "a\n2", "a-3"), "ID_BAD", r"sample 1 has the id 'a\n2'"),
    Case("id as a path", ids("a-1", "../../x", "b"), "ID_BAD", "sample 1 has the id '../../x'"),
    Case("id that clears", ids("a-1", "\x1b[2J", "b"), "ID_BAD", r"the id '\x1b[2J'"),
    Case("same id but for case", ids("A-1", "a-1", "b"), "ID_DUPLICATE", "sample 1 ('a-1') has"),
    Case("id in a wide field", ids("a-1", "x" * 300, "b"), "SCHEMA", "300 bytes, want S64"),
    Case("ids out of order", ids("a-2", "a-1", "a-3"), "ID_ORDER", "'a-1' stands after 'a-2'"),
    Case("other ids", ids("x-1", "x-2", "x-3"), "DIGEST", "holds other samples than the manifest"),
    # Values.
    Case("nan", values("box", 7, np.nan), "NONFINITE", "box of 'a-1' holds NaN or infinity"),
    Case("infinity", values("confidence", 40, np.inf), "NONFINITE", "confidence of 'a-2' holds"),
    Case("three persons", values("person_count", 2, 3), "RANGE", "person_count of 'a-3' is below"),
    Case("frame -1", values("frame_index", 0, -1), "RANGE", "frame_index of 'a-1' is below 0"),
    Case("flag 2", values("valid", 31, 2), "RANGE", "valid of 'a-2' is below 0 or above 1"),
    # Lengths.
    Case(
        "lengths differ",
        again("person_count", data=np.ones(4, np.int8)),
        "H5_LENGTHS",
        "person_count has 4 along N, sample_id has 3",
    ),
    Case(
        "nothing inside",
        again("person_count", data=np.ones(0, np.int8)),
        "H5_EMPTY",
        "person_count holds nothing",
    ),
    Case(
        "one axis too few",
        again("person_count", data=np.int8(1)),
        "SCHEMA",
        "person_count is (), want (N)",
    ),
    # Other params, other versions.
    Case("four columns", shards.of_another_cache(columns=4), "SCHEMA", "C = 3, mosaics-00000.h5"),
    Case("four rows", shards.of_another_cache(rows=4), "SCHEMA", "K = 5, mosaics-00000.h5"),
    Case(
        "newer version",
        edited(lambda f, _: f.attrs.create("schema", np.bytes_("3.0"))),
        "SCHEMA",
        "schema 3.0 is newer than 2.0, which this stroi reads; install a newer stroi",
    ),
    Case(
        "skeletons",
        edited(lambda f, _: f.attrs.create("kind", np.bytes_("skeletons"))),
        "SCHEMA",
        "is a 'skeletons' file, want mosaics",
    ),
    # Honest manifests, dishonest bytes: only the digest tells.
    Case("one bit", values("mosaic", 900, 0), "DIGEST", "damaged: a-2 of 3 samples", match=False),
    Case(
        "blind spot of Fletcher's sum",
        shards.blind_spot,
        "DIGEST",
        "its SHA-256 is not the manifest's",
        match=False,
    ),
)


BEHIND_FILTERS = (
    # Listing the names is enough; only the child's limits stand between.
    Case(
        "names behind a plugin",
        heaps.names_behind_a_plugin,
        "H5_DAMAGED",
        "Link iteration failed",
    ),
    Case("names as a bomb", heaps.names_as_a_bomb, "H5_DAMAGED", "Link iteration failed"),
)
