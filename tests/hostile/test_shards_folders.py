"""A stranger's manifest, ledger and pictures do no more harm than his shards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import folders
import pytest
import shards
from folders import blob, first_file, ledger, other, other_ledger, sealed, text
from measured import run_measured
from refusals import CLI, Case, assert_verify_refuses

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest

MIB = 1 << 20
BRACKETS = b'{"schema": ' + b"[" * 200_000

CASES = (
    # Not a manifest.
    Case("none", other(lambda *_: None), "MANIFEST_MISSING", "is missing: the folder is"),
    Case("pipe", other(lambda path, _: os.mkfifo(path)), "MANIFEST", "not a regular file"),
    Case("folder", other(lambda path, _: path.mkdir()), "MANIFEST", "not a regular file"),
    Case(
        "link",
        other(lambda path, place: path.symlink_to(place.canary)),
        "MANIFEST",
        "cannot be opened: Too many levels of symbolic links",
    ),
    Case(
        "link to a device",
        other(lambda path, _: path.symlink_to("/dev/zero")),
        "MANIFEST",
        "cannot be opened: Too many levels of symbolic links",
    ),
    # Costs.
    Case(
        "2 GB",
        other(folders.sparse(2048 * MIB)),
        "MANIFEST",
        "has 2147483648 bytes, allowed are 1073741824",
    ),
    Case("brackets", text(BRACKETS), "JSON_DEPTH", "nests deeper than 64"),
    Case(
        "short texts within the limit",
        text(b"[" + b",".join(b'"%07x"' % number for number in range(1_600_000)) + b"]"),
        "MANIFEST",
        "is not an object",
    ),
    Case(
        "28 MB that are wrong at the end",
        sealed(folders.many_samples),
        "ID_BAD",
        r"manifest.json: sample 119999 has the id '\x1b[2J'",
    ),
    # Not JSON as it has to be.
    Case("double key", text(b'{"schema": "1.1", "schema": "1.0"}'), "JSON_DUPLICATE_KEY", "twice"),
    Case("nan", text(b'{"schema": NaN}'), "JSON", "holds NaN, which is not JSON"),
    Case(
        "5000 digits",
        text(b'{"schema": ' + b"1" * 5000 + b"}"),
        "JSON",
        "holds a number of 5000 digits",
    ),
    Case("not text", text(b"\x80\x04" + bytes(90)), "MANIFEST", "is not ASCII text"),
    # Claims.
    Case(
        "file of 10^30 bytes",
        first_file(bytes=10**30),
        "FILE_SIZE",
        f"bytes, the manifest says 1{30 * '0'}",
    ),
    Case("file of no bytes", first_file(bytes=0), "FILE_SIZE", "bytes, the manifest says 0"),
    Case("negative", first_file(bytes=-1), "MANIFEST", "bytes is not a whole number from 0"),
    Case("file outside", first_file(name="../outside/canary.h5"), "MANIFEST", "not the name of"),
    Case("file of the system", first_file(name="/etc/passwd"), "MANIFEST", "not the name of a"),
    Case("name that clears", first_file(name="\x1b[2J.h5"), "MANIFEST", "not the name of a file"),
    Case("unsorted", sealed(lambda d: d["files"].reverse()), "MANIFEST", "are not sorted or occur"),
    Case(
        "file twice",
        sealed(lambda d: d["files"].append(d["files"][1])),
        "MANIFEST",
        "are not sorted or occur twice",
    ),
    Case(
        "sample in two files",
        first_file(ids=["a-1", "a-2", "b-1"]),
        "ID_DUPLICATE",
        "sample 3 ('b-1') has the same id as sample 2 ('b-1')",
    ),
    Case(
        "samples of elsewhere",
        first_file(ids=["x-1", "x-2", "x-3"]),
        "DIGEST",
        "holds other samples than the manifest says",
    ),
    Case("more samples", first_file(ids=["a-1"], sample_sha256=[]), "DIGEST", "holds 3 samples"),
    Case(
        "other params than it says",
        sealed(lambda d: d.update(params={"frames": 4})),
        "MANIFEST",
        "params_digest is not that of params",
    ),
    Case(
        "newer version",
        sealed(lambda d: d.update(schema="3.0")),
        "SCHEMA",
        "schema 3.0 is newer than 2.0, which this stroi reads; install a newer stroi",
    ),
    Case(
        "edited",
        lambda place: folders.manifest(place).write_text(
            folders.manifest(place).read_text().replace('"by": "test"', '"by": "me"')
        ),
        "DIGEST",
        "was changed after it was written",
    ),
    # Files that nobody announced.
    Case(
        "unlisted",
        lambda place: (place.folder / "run\x1b[2J.sh").touch(),
        "FILE_EXTRA",
        r"'run\x1b[2J.sh' is not in the manifest",
    ),
    # Ledgers.
    Case("ledger of another file", ledger(b"root:x:0:0"), "LEDGER", "does not start with id,"),
    Case(
        "ledger of a million lines",
        ledger(b"id,status,code,detail\n" + b"\n" * 60_000_000),
        "LEDGER",
        "line 2: 0 fields instead of 4",
    ),
    Case(
        "ledger of one line",
        ledger(b"id,status,code,detail\na,done,," + b"x" * 60_000_000),
        "LEDGER",
        "line 2: field larger than field limit",
    ),
    Case(
        "ledger that clears",
        ledger(b"id,status,code,detail\na,quarantined,X,\x1b[2J\n"),
        "LEDGER",
        r"not a code or a sentence: 'X \x1b[2J'",
    ),
    Case(
        "ledger as a pipe",
        other_ledger(lambda path, _: os.mkfifo(path)),
        "FILE_TYPE",
        "ledger.csv is not a regular file",
    ),
    Case(
        "ledger as a link",
        other_ledger(lambda path, place: path.symlink_to(place.canary)),
        "FILE_TYPE",
        "ledger.csv is not a regular file",
    ),
    # Pictures.
    Case(
        "picture of 16000 px",
        blob(lambda _: folders.webp(16_000, 16)),
        "IMAGE_HEADER",
        "'b' is 16 x 16000 px, declared 20 x 12",
    ),
    Case(
        "another format",
        blob(lambda _: b"GIF89a" + bytes(90)),
        "IMAGE_HEADER",
        "no JPEG or WebP image (it begins with b'GIF89a",
    ),
    Case(
        "something behind the picture",
        blob(lambda data: data + b"#!/bin/sh"),
        "IMAGE_HEADER",
        "a JPEG image that is cut, or goes on behind its end",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verify_refuses_it_and_leaves_no_trace(case: Case, tmp_path: Path) -> None:
    place = shards.build(tmp_path, case.spoil, match=False)
    assert_verify_refuses(place, case.code, case.says, peak=300_000_000)


def test_the_good_ones_are_taken(tmp_path: Path) -> None:
    spoils = (
        sealed(lambda document: None),
        lambda place: ledger(folders.good_ledger(place))(place),
        blob(lambda data: data),
        blob(lambda _: folders.webp(12, 20)),
    )
    arguments = [
        str(shards.build(tmp_path / f"{number}", spoil, match=False).folder)
        for number, spoil in enumerate(spoils)
    ]
    done = run_measured([sys.executable, "-c", CLI, "cache", "verify", *arguments])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("complete and untouched") == 4


IDS = (
    "", "../x", "/etc/passwd", "a\n", "\x1b[2J", "\u202eexe", "-rf", "=cmd|x", "%03d", "CON",
    "con.txt", "x" * 300, "e\u0301", "a..b", "a.", "a b", "a/b", "a\\b", "a;b", "$(x)", "\ud800",
    "\u00e9", ".hidden", "COM1", "a\0b",
)  # fmt: skip


@pytest.mark.parametrize("name", IDS, ids=ascii)
def test_an_id_is_nothing_but_a_name(tmp_path: Path, name: str) -> None:
    place = shards.build(tmp_path, first_file(ids=["a-1", "a-2", name]), match=False)
    with pytest.raises(RefusedInput) as caught:
        read_manifest(place.folder)
    assert caught.value.code == "ID_BAD"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("twin", ["A-2", "a-2"])
def test_ids_that_differ_in_case_only_are_the_same(tmp_path: Path, twin: str) -> None:
    place = shards.build(tmp_path, first_file(ids=[twin, "a-1", "a-2"]), match=False)
    with pytest.raises(RefusedInput) as caught:
        read_manifest(place.folder)
    assert caught.value.code == "ID_DUPLICATE"
