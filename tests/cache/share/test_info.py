"""What a cache says of itself, against numbers counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import (
    make_clip,
    make_mosaics,
    make_weights,
    reseal,
    write_cache,
    write_skeletons,
)

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.share.card import About
from stroi.cache.share.convert import pack
from stroi.cache.share.info import describe
from stroi.cache.share.publish import FORMS, export_cache
from stroi.cache.weights import write_weights

LEDGER = (
    b"id,status,code,detail\na-1,done,,\na-2,done,,\na-3,done,,\nb-1,done,,\nb-2,done,,\n"
    b"b-3,done,,\nb-4,done,,\nc-1,quarantined,NO_PERSON,nobody\nc-2,quarantined,VIDEO_OPEN,x\n"
    b"c-3,quarantined,NO_PERSON,nobody\n"
)


def add_ledger(folder: Path, data: bytes = LEDGER) -> None:
    write_atomic(folder / "ledger.csv", data)
    manifest = read_manifest(folder)
    files = (file_entry("ledger.csv", data), *manifest.files)
    write_manifest(folder, replace(manifest, files=files))


def test_mosaics(folder: Path, shards: list[Mosaics]) -> None:
    add_ledger(folder)
    found = describe(folder)
    counts = np.concatenate([shard.person_count for shard in shards])
    valid = np.concatenate([shard.valid for shard in shards])
    shown = [valid[row, person] for row, n in enumerate(counts) for person in range(n)]
    assert (found.kind, found.form, found.samples, found.shards, found.files) == (
        "mosaics",
        "training",
        7,
        2,
        3,
    )
    assert found.persons == {"1": int((counts == 1).sum()), "2": int((counts == 2).sum())}
    assert (found.height, found.width, found.rows, found.columns) == (20, 12, 5, 3)
    assert found.black_cells == pytest.approx(1 - np.mean(shown))
    assert found.quarantined == {"NO_PERSON": 2, "VIDEO_OPEN": 1}
    assert (
        found.bytes
        == sum(path.stat().st_size for path in folder.iterdir())
        - (folder / "manifest.json").stat().st_size
    )
    assert found.manifest_sha256 == sha256_file(folder / "manifest.json")
    assert found.to_dict()["params"] == {"frames": 3}


def test_the_compact_form_tells_the_same_and_its_codec(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "compact", codec="webp")
    before, after = describe(folder), describe(tmp_path / "compact")
    assert (after.kind, after.form) == ("mosaics_compact", "compact")
    assert after.packed is not None
    assert after.packed["codec"] == "webp"
    for name in ("samples", "persons", "black_cells", "height", "width", "rows", "columns"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize("packed", [None, "webp", [], {}, {"codec": 1}, {"codec": "png"}])
def test_a_cache_that_lies_about_its_packing_is_refused(
    folder: Path, tmp_path: Path, packed: object
) -> None:
    compact = tmp_path / "compact"
    pack(folder, compact, codec="webp")
    reseal(compact, lambda manifest: replace(manifest, extra={"packed": packed}))
    with pytest.raises(RefusedInput, match=r"MANIFEST: .*manifest\.json: extra: packed"):
        describe(compact)
    for form in FORMS:
        with pytest.raises(RefusedInput, match=r"MANIFEST: .*manifest\.json: extra: "):
            export_cache(compact, tmp_path / "out", About(), form=form)
    reseal(compact, lambda manifest: replace(manifest, extra={}))
    assert describe(compact).packed is None


def test_other_kinds(tmp_path: Path) -> None:
    clips = {"a": make_clip(5, seed=1), "b": replace(make_clip(7, seed=2), person_count=2)}
    found = describe(write_skeletons(tmp_path / "s", clips))
    assert (found.frames, found.persons, found.height, found.form) == (12, {"1": 1, "2": 1}, 0, "")
    write_weights(tmp_path / "w", make_weights(("a", "b")), params={}, producer={"seed": 1})
    found = describe(tmp_path / "w")
    assert (found.samples, found.persons, found.producer["seed"]) == (2, {}, 1)


@pytest.mark.parametrize(
    "data",
    [b"", b"id,code\na,b\n", b"id,status,code,detail\na,done\n", b"\xff", b'id,status,"code"x\n'],
)
def test_a_ledger_that_is_none_is_refused(folder: Path, data: bytes) -> None:
    add_ledger(folder, data)
    with pytest.raises(RefusedInput, match=r"LEDGER: .*ledger\.csv is no"):
        describe(folder)


def test_an_empty_cache_is_described(tmp_path: Path) -> None:
    write_cache(tmp_path / "c", [])
    assert describe(tmp_path / "c").samples == 0


def test_shards_that_differ_are_refused(tmp_path: Path) -> None:
    parts = [make_mosaics(("a",), cell=4), make_mosaics(("b",), cell=6)]
    with pytest.raises(RefusedInput, match="SCHEMA"):
        describe(write_cache(tmp_path / "c", parts))
