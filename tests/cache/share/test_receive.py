"""Importing: checked before it is placed, whole or not at all, whatever kills it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_mosaics, write_cache

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.card import About
from stroi.cache.share.diff import diff
from stroi.cache.share.publish import export_cache
from stroi.cache.share.receive import import_cache
from stroi.cache.verify import verify

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def export(folder: Path, target: Path, form: str = "as-is") -> Path:
    export_cache(folder, target, About(licence="CC0-1.0"), form=form)
    return target


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An exported archive of one small shard."""
    folder = write_cache(tmp_path / "small", [make_mosaics(("a", "b"), seed=3)])
    export_cache(folder, tmp_path / "small.tar", About(), sheet=False)
    return tmp_path / "small.tar"


@pytest.mark.parametrize("name", ["demo", "demo.tar"])
def test_what_was_exported_is_placed_as_it_is(folder: Path, tmp_path: Path, name: str) -> None:
    source = export(folder, tmp_path / name)
    target = tmp_path / "new" / "place" / "mosaics"
    done = import_cache(source, target)
    assert done.placed
    assert verify(target) == []
    assert diff(folder, target).same
    assert done.card is not None
    assert done.card["licence"] == "CC0-1.0"
    assert done.manifest == read_manifest(target)
    assert [path.name for path in target.parent.iterdir()] == ["mosaics"]
    assert {path.stat().st_nlink for path in target.iterdir()} == {1}


def test_a_cache_without_a_card_is_taken(folder: Path, tmp_path: Path) -> None:
    done = import_cache(folder, tmp_path / "new")
    assert done.card is None
    assert tree(tmp_path / "new") == tree(folder)


def test_again_is_already_there(small: Path, tmp_path: Path) -> None:
    import_cache(small, tmp_path / "new")
    before = {path: path.stat().st_ino for path in (tmp_path / "new").iterdir()}
    assert not import_cache(small, tmp_path / "new").placed
    assert before == {path: path.stat().st_ino for path in (tmp_path / "new").iterdir()}


def test_a_damaged_target_is_not_already_there(small: Path, tmp_path: Path) -> None:
    import_cache(small, tmp_path / "new")
    with (tmp_path / "new" / "mosaics-00000.h5").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xaa")
    with pytest.raises(RefusedInput, match=r"DIGEST: .*new/mosaics-00000\.h5"):
        import_cache(small, tmp_path / "new")


def test_something_else_is_never_replaced(folder: Path, small: Path, tmp_path: Path) -> None:
    before = tree(folder)
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        import_cache(small, folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        import_cache(small, tmp_path / "empty")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        import_cache(small, tmp_path / "link")
    assert tree(folder) == before


def test_a_compact_cache_is_unpacked_on_request(folder: Path, tmp_path: Path) -> None:
    source = export(folder, tmp_path / "demo.tar", form="webp")
    assert import_cache(source, tmp_path / "packed").placed
    assert MosaicCache(tmp_path / "packed").form == "compact"
    done: list[int] = []
    assert import_cache(source, tmp_path / "plain", unpacked=True, on_sample=done.append).placed
    assert sum(done) == 7
    cache = MosaicCache(tmp_path / "plain")
    assert cache.form == "training"
    assert np.array_equal(cache.batch(cache.ids), MosaicCache(folder).batch(cache.ids))
    assert not import_cache(source, tmp_path / "plain", unpacked=True).placed
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        import_cache(source, tmp_path / "packed", unpacked=True)


def test_another_manifest_than_expected_is_refused(small: Path, tmp_path: Path) -> None:
    done = import_cache(small, tmp_path / "new")
    assert not import_cache(small, tmp_path / "new", expect=done.manifest_sha256).placed
    with pytest.raises(RefusedInput, match=f"EXPECT: .* is {done.manifest_sha256}, want 0000"):
        import_cache(small, tmp_path / "other", expect="0" * 64)
    assert not (tmp_path / "other").exists()


def test_the_hook_sees_the_checked_copy_and_may_refuse(small: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def look(folder: Path, manifest: Manifest) -> None:
        assert verify(folder) == []
        seen.append(manifest.ids)

    def refuse(folder: Path, manifest: Manifest) -> None:
        raise RefusedInput("NO", "not this one")

    with pytest.raises(RefusedInput, match="NO: not this one"):
        import_cache(small, tmp_path / "new", check=refuse)
    assert not (tmp_path / "new").exists()
    import_cache(small, tmp_path / "new", check=look)
    import_cache(small, tmp_path / "new", check=look)
    assert seen == [("a", "b")] * 2


def spoil_bytes(folder: Path) -> None:
    with (folder / "mosaics-00001.h5").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xaa")


def spoil_size(folder: Path) -> None:
    with (folder / "mosaics-00001.h5").open("ab") as file:
        file.write(b"x")


def spoil_sparse(folder: Path) -> None:
    os.truncate(folder / "mosaics-00001.h5", 8 << 40)


def spoil_link(folder: Path) -> None:
    (folder / "mosaics-00001.h5").rename(folder.parent / "outside.h5")
    (folder / "mosaics-00001.h5").symlink_to(folder.parent / "outside.h5")


def spoil_fifo(folder: Path) -> None:
    (folder / "mosaics-00001.h5").unlink()
    os.mkfifo(folder / "mosaics-00001.h5")


def spoil_folder(folder: Path) -> None:
    (folder / "more").mkdir()


def add_script(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text("print('run')")


def add_listed(folder: Path) -> None:
    write_atomic(folder / "inner.tar", b"x")
    manifest = read_manifest(folder)
    files = (file_entry("inner.tar", b"x"), *manifest.files)
    write_manifest(folder, replace(manifest, files=files))


def add_twin(folder: Path) -> None:
    (folder / "MANIFEST.json").write_bytes((folder / "manifest.json").read_bytes())


def add_unlisted(folder: Path) -> None:
    (folder / "extra.h5").write_bytes(b"x")


def drop_file(folder: Path) -> None:
    (folder / "mosaics-00001.h5").unlink()


def drop_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def spoil_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"frames": 3', b'"frames": 4'))


def swell_manifest(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1 << 40)


def spoil_card(folder: Path) -> None:
    write_atomic(folder / "card.json", b'{"a": 1, "a": 2}')
    manifest = read_manifest(folder)
    files = (file_entry("card.json", b'{"a": 1, "a": 2}'), *manifest.files)
    write_manifest(folder, replace(manifest, files=files))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (spoil_bytes, r"DIGEST: .*/cache/mosaics-00001\.h5: its SHA-256 is not the manifest's"),
        (spoil_size, r"IMPORT_FILE: .*/cache: mosaics-00001\.h5 has \d+ bytes, not \d+"),
        (spoil_sparse, r"IMPORT_FILE: .*/cache: mosaics-00001\.h5 has 8796093022208 bytes, not"),
        (spoil_link, r"IMPORT_FILE: .*/cache: 'mosaics-00001\.h5' is not a regular file"),
        (spoil_fifo, r"IMPORT_FILE: .*/cache: 'mosaics-00001\.h5' is not a regular file"),
        (spoil_folder, "IMPORT_FILE: .*/cache: 'more' is not a regular file"),
        (add_script, r"IMPORT_FILE: .*/cache: 'sitecustomize\.py' does not belong in a cache"),
        (add_listed, r"IMPORT_FILE: .*/cache: 'inner\.tar' does not belong in a cache"),
        (add_twin, r"IMPORT_FILE: .*/cache: 'MANIFEST\.json' does not belong in a cache"),
        (add_unlisted, r"FILE_EXTRA: .*/cache: 'extra\.h5' is not in the manifest"),
        (drop_file, r"FILE_MISSING: .*/cache/mosaics-00001\.h5 is missing"),
        (drop_manifest, r"MANIFEST_MISSING: .*/cache has no manifest\.json"),
        (spoil_manifest, r"(MANIFEST|DIGEST): .*/cache/manifest\.json"),
        (swell_manifest, "MANIFEST: .*/cache: its manifest has 1099511627776 bytes"),
        (spoil_card, r"JSON_DUPLICATE_KEY: .*/cache/card\.json has the key 'a' twice"),
    ],
)
def test_a_spoilt_folder_is_refused_and_nothing_is_placed(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    spoil(folder)
    (tmp_path / "new").mkdir()
    with pytest.raises(RefusedInput, match=f"^{expected}") as caught:
        import_cache(folder, tmp_path / "new" / "mosaics")
    assert caught.value.exit_status == 3
    assert ".tmp-" not in str(caught.value) + str(caught.value.details)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_cache_larger_than_the_disk_is_refused_at_once(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(StroiError, match=r"DISK_FULL: no space left writing .*/new \(needs 1 MB\)"):
        import_cache(small, tmp_path / "new")


IMPORT = (
    "import sys\n"
    "from pathlib import Path\n"
    "from stroi.cache.errors import StroiError\n"
    "from stroi.cache.share.receive import import_cache\n"
    "try:\n"
    "    import_cache(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    "except StroiError as error:\n"
    "    sys.exit(str(error))\n"
)


@pytest.mark.parametrize("action", ["kill", "enospc", "eio"])
@pytest.mark.parametrize("point", ["mid_write", "before_fsync", "before_rename", "after_rename"])
def test_whatever_stops_it_the_target_is_whole_or_absent(
    small: Path, tmp_path: Path, child: Child, point: str, action: str
) -> None:
    import_cache(small, tmp_path / "undisturbed")
    target = tmp_path / "new" / "mosaics"
    target.parent.mkdir()
    for nth in range(1, 40):
        done = child(IMPORT, small, target, STROI_FAULT=f"{point}:{nth}:{action}")
        if done.returncode == 0:
            break
        assert done.returncode == (-signal.SIGKILL if action == "kill" else 1)
        if action != "kill":
            code = "DISK_FULL" if action == "enospc" else "WRITE_FAILED"
            assert done.stderr.startswith(f"{code}: ")
        left = {path.name for path in target.parent.iterdir()}
        assert len(left - {"mosaics"}) == (1 if action == "kill" else 0)
        if target.exists():
            assert tree(target) == tree(tmp_path / "undisturbed")
            break
    assert nth > 1 or point == "after_rename"
    import_cache(small, target)
    assert tree(target) == tree(tmp_path / "undisturbed")
    assert [path.name for path in target.parent.iterdir()] == ["mosaics"]
