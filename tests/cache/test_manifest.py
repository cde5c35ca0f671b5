"""The manifest: written last, read with suspicion."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.manifest import (
    FileEntry,
    Manifest,
    file_entry,
    read_manifest,
    stroi_version,
    write_manifest,
)

ONE = replace(
    file_entry("a.h5", b"bytes", ("a", "b"), ("1" * 64, "2" * 64)),
    inputs={"skeleton": ("5" * 64, "6" * 64), "video": ("3" * 64, "4" * 64)},
)
TWO = file_entry("b.h5", b"other", ("c",))
GOOD = Manifest("mosaics", {"size": 225, "alpha": 1e-3}, {"model": "ü"}, (ONE, TWO), {"x": [None]})


def seal(document: dict[str, Any]) -> bytes:
    """The text of a manifest, its own digest computed from what docs/ will say of it."""
    text = json.dumps({**document, "digest": "0" * 64}, indent=1)
    return text.replace("0" * 64, sha256_bytes(text.encode())).encode()


def refusal(folder: Path, data: bytes, kind: str | None = None) -> str:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(RefusedInput) as caught:
        read_manifest(folder, kind)
    assert str(folder / "manifest.json") in str(caught.value)
    return str(caught.value).replace(str(folder) + "/", "")


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    write_manifest(tmp_path / "one", GOOD)
    write_manifest(tmp_path / "two", replace(GOOD, params={"alpha": 1e-3, "size": 225}))
    assert read_manifest(tmp_path / "one", "mosaics") == GOOD
    texts = [(tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two")]
    assert texts[0] == texts[1]
    assert texts[0].isascii()


def test_what_it_says() -> None:
    assert GOOD.ids == ("a", "b", "c")
    assert GOOD.params_digest == digest({"alpha": 0.001, "size": 225})
    assert GOOD.stroi_version == stroi_version()
    digests = (ONE.sample_sha256, ONE.inputs)
    assert FileEntry("a.h5", 5, sha256_bytes(b"bytes"), ("a", "b"), *digests) == ONE


def test_text_of_another_writer_is_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(seal(GOOD.to_dict()))
    assert read_manifest(tmp_path) == GOOD


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_manifest(tmp_path, GOOD)
    data = (tmp_path / "manifest.json").read_bytes()
    chosen = random.Random(3).sample(range(8 * len(data)), 400)
    for bit in chosen:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(tmp_path, bytes(flipped))


def test_edited_manifest_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, GOOD)
    data = (tmp_path / "manifest.json").read_bytes()
    text = refusal(tmp_path, data.replace(b" 225", b" 224"))
    assert text.startswith("DIGEST: manifest.json was changed after it was written; fetch")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema": "3.0"}, "SCHEMA: manifest.json: schema 3.0 is newer than 2.0"),
        ({"schema": "1"}, "SCHEMA: manifest.json: schema '1' is not a version"),
        ({"schema": 1}, "MANIFEST: manifest.json: schema is not text"),
        ({"kind": "../x"}, "MANIFEST: manifest.json: kind is malformed: '../x'"),
        ({"params": []}, "MANIFEST: manifest.json: params is not an object"),
        ({"params": {}}, "MANIFEST: manifest.json: params_digest is not that of params"),
        ({"params_digest": "A" * 64}, "MANIFEST: manifest.json: params_digest is malformed"),
        ({"extra": None}, "MANIFEST: manifest.json: extra is not an object"),
        ({"producer": "me"}, "MANIFEST: manifest.json: producer is not an object"),
        ({"stroi_version": None}, "MANIFEST: manifest.json: stroi_version is not text"),
        ({"stroi_version": "\x1b[2J"}, "MANIFEST: manifest.json: stroi_version is malformed"),
        ({"files": {}}, "MANIFEST: manifest.json: files is not a list"),
        ({"files": ["a.h5"]}, "MANIFEST: manifest.json: files[0] is not an object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_malformed_manifest_is_refused(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    assert text in refusal(tmp_path, seal({**GOOD.to_dict(), **change}))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "../a.h5"}, "MANIFEST: manifest.json: files[0]: name is not the name of a file"),
        ({"name": "manifest.json"}, "files[0]: name is not the name of a file"),
        ({"name": "a\n.h5"}, "files[0]: name is not the name of a file"),
        ({"name": "b.h5"}, "the files are not sorted or occur twice"),
        ({"name": "c.h5"}, "the files are not sorted or occur twice"),
        ({"name": "B.h5"}, "the files are not sorted or occur twice"),
        ({"bytes": -1}, "files[0]: bytes is not a whole number"),
        ({"bytes": True}, "files[0]: bytes is not a whole number"),
        ({"bytes": 1.5}, "files[0]: bytes is not a whole number"),
        ({"sha256": "1" * 63}, "files[0]: sha256 is malformed"),
        ({"ids": ["a", 2]}, "files[0]: ids[1] is not text"),
        ({"ids": ["b", "a"]}, "ID_ORDER: manifest.json: a.h5: 'a' stands after 'b'"),
        ({"ids": ["a", "c"]}, "ID_DUPLICATE: manifest.json: sample 2 ('c')"),
        ({"ids": ["a", "\ud800"]}, r"ID_BAD: manifest.json: sample 1 has the id '\ud800'"),
        ({"ids": ["a"]}, "a.h5 has 1 ids and 2 sample digests"),
        ({"sample_sha256": ["x", "y"]}, "files[0]: sample_sha256[0] is malformed: 'x'"),
        ({"inputs": []}, "files[0]: inputs is not an object"),
        ({"inputs": {"../x": []}}, "files[0]: inputs has a malformed key: '../x'"),
        ({"inputs": {"video": ["1" * 64]}}, "a.h5 has 2 ids and 1 video digests"),
        ({"inputs": {"video": ["1" * 64, "2"]}}, "files[0]: inputs: video[1] is malformed: '2'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_malformed_entry_is_refused(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    document = GOOD.to_dict()
    document["files"][0] |= change
    assert text in refusal(tmp_path, seal(document))


@pytest.mark.parametrize("key", sorted(GOOD.to_dict()))
def test_missing_key_is_named(tmp_path: Path, key: str) -> None:
    document = GOOD.to_dict()
    del document[key]
    assert f"MANIFEST: manifest.json: {key} is missing; fetch" in refusal(tmp_path, seal(document))


def test_newer_minor_version_is_read(tmp_path: Path) -> None:
    document = {**GOOD.to_dict(), "schema": "2.7", "colour": "blue"}
    (tmp_path / "manifest.json").write_bytes(seal(document))
    assert read_manifest(tmp_path) == replace(GOOD, schema="2.7")


def test_newer_major_version_is_refused_even_if_it_is_sealed_otherwise(tmp_path: Path) -> None:
    text = refusal(tmp_path, b'{"schema": "3.0"}')
    assert text == (
        "SCHEMA: manifest.json: schema 3.0 is newer than 2.0, which this stroi reads;"
        " install a newer stroi"
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"schema": "2.0", "schema": "2.0"}', "JSON_DUPLICATE_KEY"),
        (b'{"schema": NaN}', "JSON"),
        (b"[]", "MANIFEST"),
        ('{"schema": "2.0", "kind": "é"}'.encode(), "MANIFEST"),
        (b"", "JSON"),
    ],
)
def test_no_manifest_at_all(tmp_path: Path, data: bytes, code: str) -> None:
    assert refusal(tmp_path, data).startswith(code + ": ")


def test_other_kind_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, seal(GOOD.to_dict()), "weights")
    assert text.startswith("SCHEMA: manifest.json describes mosaics, want weights; check the path")


def test_missing_manifest_says_so(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_bytes(seal(GOOD.to_dict()))
    with pytest.raises(RefusedInput, match=r"^MANIFEST_MISSING: .*manifest.json is missing"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RefusedInput, match=r"^MANIFEST: .*json cannot be opened: Too many levels"):
        read_manifest(tmp_path)


def test_only_a_regular_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    os.mkfifo(path)
    with pytest.raises(RefusedInput, match=r"^MANIFEST: .*json cannot be opened: not a regular"):
        read_manifest(tmp_path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(RefusedInput, match="has 2147483648 bytes, allowed are 1073741824"):
        read_manifest(tmp_path)


def test_a_manifest_that_is_too_large_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stroi.cache.manifest.MAX_MANIFEST_BYTES", 100)
    with pytest.raises(RefusedInput, match=r"^MANIFEST: .* would have \d+ bytes, allowed are 100"):
        write_manifest(tmp_path, GOOD)
    assert list(tmp_path.iterdir()) == []


def test_what_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    for bad in (
        replace(GOOD, files=(TWO, ONE)),
        replace(GOOD, kind="Mosaics"),
        replace(GOOD, files=(ONE, replace(TWO, ids=("a",)))),
    ):
        with pytest.raises(RefusedInput):
            write_manifest(tmp_path, bad)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(tmp_path, replace(GOOD, params={"x": float("nan")}))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RefusedInput, match=r"'\.\./a' is not the name of a file; use letters"):
        file_entry("../a", b"")
