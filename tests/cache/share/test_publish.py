"""Publishing: complete, equal for equal caches, readable as it is, and nothing private in it."""

from __future__ import annotations

import csv
import getpass
import json
import signal
import socket
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_mosaics, make_weights, write_cache

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.card import About
from stroi.cache.share.convert import pack
from stroi.cache.share.diff import diff
from stroi.cache.share.publish import export_cache, find_private
from stroi.cache.share.receive import import_cache
from stroi.cache.verify import verify
from stroi.cache.weights import write_weights

Child = Callable[..., "subprocess.CompletedProcess[str]"]

LABELS = {"samples.csv": b"id,label\n", "classes.txt": b"walk\nrun\n"}


def export(folder: Path, target: Path, **options: object) -> Path:
    export_cache(folder, target, About(), **options)  # type: ignore[arg-type]
    return target


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_exported_folder_is_a_cache(folder: Path, tmp_path: Path) -> None:
    target = export(folder, tmp_path / "new" / "demo", index=LABELS)
    assert verify(target) == []
    assert diff(folder, target).same
    ids = MosaicCache(folder).ids
    assert np.array_equal(MosaicCache(target).batch(ids), MosaicCache(folder).batch(ids))
    assert set(tree(target)) == {
        "README.md",
        "card.json",
        "classes.txt",
        "contact-sheet.jpg",
        "manifest.json",
        "mosaics-00000.h5",
        "mosaics-00001.h5",
        "samples.csv",
    }
    listed = {entry.name for entry in read_manifest(target).files}
    assert listed == set(tree(target)) - {"manifest.json"}
    assert json.loads(tree(target)["card.json"])["labels"] == 2
    assert read_manifest(target).extra["card"] == "card.json"
    assert [path.name for path in target.parent.iterdir()] == ["demo"]


def test_nothing_is_linked(folder: Path, tmp_path: Path) -> None:
    target = export(folder, tmp_path / "demo")
    assert {path.stat().st_nlink for path in target.iterdir()} == {1}


def test_equal_caches_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        done = export_cache(folder, tmp_path / name / "demo.tar", About(title="x"))
        assert done.archive_sha256 == sha256_file(tmp_path / name / "demo.tar")
    assert (tmp_path / "a" / "demo.tar").read_bytes() == (tmp_path / "b" / "demo.tar").read_bytes()
    done = export_cache(folder, tmp_path / "demo", About(title="x"))
    assert done.manifest_sha256 == sha256_file(tmp_path / "demo" / "manifest.json")
    with tarfile.open(tmp_path / "a" / "demo.tar") as archive:
        members = {}
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            members[member.name.removeprefix("demo/")] = file.read()
    assert members == tree(tmp_path / "demo")


def test_an_export_can_be_exported_again(folder: Path, tmp_path: Path) -> None:
    first = export(folder, tmp_path / "first", index=LABELS)
    again = export(first, tmp_path / "again")
    assert "samples.csv" not in tree(again)
    assert diff(first, again).same


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_packing_on_the_way(folder: Path, tmp_path: Path, form: str) -> None:
    target = export(folder, tmp_path / "demo", form=form)
    assert verify(target) == []
    assert MosaicCache(target).form == "compact"
    assert read_manifest(target).extra["packed"]["codec"] == form
    back = export(target, tmp_path / "back", form="training")
    assert diff(folder, back).same is (form == "webp")
    assert export(target, tmp_path / "same", form=form).is_dir()
    with pytest.raises(ParamsError, match="EXPORT_FORM: mosaics_compact cannot be exported as"):
        export(target, tmp_path / "other", form="webp" if form == "jpeg" else "jpeg")


def test_samples_are_counted_once(folder: Path, tmp_path: Path) -> None:
    for form in ("as-is", "webp"):
        done: list[int] = []
        export(folder, tmp_path / form, form=form, on_sample=done.append)
        assert sum(done) == 7


def test_other_kinds_have_no_sheet_and_no_form(tmp_path: Path) -> None:
    write_weights(tmp_path / "w", make_weights(("a", "b")), params={}, producer={"seed": 1})
    target = export(tmp_path / "w", tmp_path / "out")
    assert set(tree(target)) == {"README.md", "card.json", "manifest.json", "weights.h5"}
    with pytest.raises(ParamsError, match="EXPORT_FORM: weights cannot be exported as 'jpeg'"):
        export(tmp_path / "w", tmp_path / "x", form="jpeg")


def test_the_sheet_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    assert "contact-sheet.jpg" not in tree(export(folder, tmp_path / "demo", sheet=False))


def test_details_that_name_a_file_are_withheld(folder: Path, tmp_path: Path) -> None:
    rows = [f"{name},done,,3 of 25 cells missing" for name in MosaicCache(folder).ids]
    rows.append("c-1,quarantined,VIDEO_OPEN,/home/ann smith/secret/c.avi: cannot be opened")
    rows.append("c-2,quarantined,VIDEO_OPEN,D:\\ann\\c.avi: cannot be opened")
    data = "\n".join(["id,status,code,detail", *rows, ""]).encode()
    write_atomic(folder / "ledger.csv", data)
    manifest = read_manifest(folder)
    files = (file_entry("ledger.csv", data), *manifest.files)
    write_manifest(folder, replace(manifest, files=files))
    target = export(folder, tmp_path / "demo")
    assert verify(target) == []
    with (target / "ledger.csv").open(newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert found["a-1"]["detail"] == "3 of 25 cells missing"
    for name in ("c-1", "c-2"):
        assert found[name]["code"] == "VIDEO_OPEN"
        assert found[name]["detail"].startswith("not exported")
    assert b"ann" not in b"".join(tree(target).values()).lower()
    assert json.loads(tree(target)["card.json"])["cache"]["quarantined"] == {"VIDEO_OPEN": 2}


def test_neither_place_nor_user_nor_host_goes_out(tmp_path: Path) -> None:
    secret = tmp_path / "home-of-ann-q7x"
    mosaics = make_mosaics(("a-1", "a-2"))
    mosaics.mosaic[:] = 7
    folder = write_cache(secret / "cache", [mosaics])
    export(folder, secret / "demo", index=LABELS)
    export(folder, secret / "packed.tar", form="webp")
    sent = b"".join([*tree(secret / "demo").values(), (secret / "packed.tar").read_bytes()])
    for text in ("ann-q7x", str(tmp_path), str(Path.home()) + "/", f"/{getpass.getuser()}/"):
        assert text.encode() not in sent
    if len(socket.gethostname()) > 3:
        assert socket.gethostname().encode() not in sent


@pytest.mark.parametrize(
    "value",
    ["/home/ann/x.pth", "~/x", "~ann/x", "C:\\x", "c:/x", "\\\\host\\x", "see /x", "file:///x"],
)
def test_a_manifest_that_names_a_place_is_not_published(
    folder: Path, tmp_path: Path, value: str
) -> None:
    manifest = read_manifest(folder)
    for part in ("params", "producer", "extra"):
        spoilt = replace(manifest, **{part: {"deep": [{"start": value}]}})
        write_manifest(folder, spoilt)
        with pytest.raises(RefusedInput) as caught:
            export(folder, tmp_path / "demo")
        assert caught.value.code == "EXPORT_PRIVATE"
        assert f"'{part}.deep[0].start'" in caught.value.message
    write_manifest(folder, replace(manifest, params={value: 1}))
    with pytest.raises(RefusedInput, match="EXPORT_PRIVATE"):
        export(folder, tmp_path / "demo")
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


def test_what_only_looks_like_a_place_is_published() -> None:
    texts = ["a/b", "https://x.org/y", "3 / 4", "5-/-6", "1:2", "models/x.onnx", "x ~ y", "n/a"]
    assert list(find_private({"a": texts, "b": 1, "c": None})) == []


def test_a_target_that_is_there_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "demo.tar").write_bytes(b"mine")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        export(folder, tmp_path / "demo.tar")
    assert (tmp_path / "demo.tar").read_bytes() == b"mine"


def test_a_file_that_is_not_the_manifests_is_not_published(folder: Path, tmp_path: Path) -> None:
    shard = folder / "mosaics-00001.h5"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    for target in ("demo", "demo.tar"):
        with pytest.raises(RefusedInput, match=r"DIGEST: mosaics-00001\.h5 changed meanwhile"):
            export(folder, tmp_path / target)
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


def test_a_compact_cache_is_published_as_it_is(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "compact")
    target = export(tmp_path / "compact", tmp_path / "demo")
    assert diff(tmp_path / "compact", target).same


SCHEMAS = Path(__file__).parents[1] / "schemas"


@pytest.mark.parametrize("name", sorted(f"{p.parent.name}/{p.name}" for p in SCHEMAS.glob("*/*")))
def test_every_kind_is_published_and_taken(tmp_path: Path, name: str) -> None:
    export(SCHEMAS / name, tmp_path / "demo.tar")
    import_cache(tmp_path / "demo.tar", tmp_path / "new")
    assert verify(tmp_path / "new") == []
    assert diff(SCHEMAS / name, tmp_path / "new").same
    import_cache(SCHEMAS / name, tmp_path / "as-it-is")
    assert tree(tmp_path / "as-it-is") == tree(SCHEMAS / name)


EXPORT = (
    "import sys\n"
    "from pathlib import Path\n"
    "from stroi.cache.share.card import About\n"
    "from stroi.cache.errors import StroiError\n"
    "from stroi.cache.share.publish import export_cache\n"
    "try:\n"
    "    export_cache(Path(sys.argv[1]), Path(sys.argv[2]), About(), sheet=False)\n"
    "except StroiError as error:\n"
    "    sys.exit(str(error))\n"
)


@pytest.mark.parametrize("point", ["mid_write", "before_fsync", "before_rename"])
@pytest.mark.parametrize("name", ["demo", "demo.tar"])
def test_a_killed_export_leaves_no_target_and_is_done_again(
    tmp_path: Path, child: Child, name: str, point: str
) -> None:
    folder = write_cache(tmp_path / "cache", [make_mosaics(("a", "b"))])
    (tmp_path / "out").mkdir()
    for nth, action in ((1, "kill"), (2, "kill"), (1, "enospc"), (2, "eio")):
        fault = f"{point}:{nth}:{action}"
        done = child(EXPORT, folder, tmp_path / "out" / name, STROI_FAULT=fault)
        if done.returncode == 0:
            break
        assert done.returncode == (-signal.SIGKILL if action == "kill" else 1)
        assert not (tmp_path / "out" / name).exists()
    else:
        export(folder, tmp_path / "out" / name, sheet=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    again = export(folder, tmp_path / name, sheet=False)
    assert sha256_of(again) == sha256_of(tmp_path / "out" / name)


def sha256_of(target: Path) -> dict[str, str]:
    files = [target] if target.is_file() else target.iterdir()
    return {path.name: sha256_file(path) for path in files}
