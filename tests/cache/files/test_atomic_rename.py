"""Names that are given once: of many who want one at the same time, one gets it."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from small_caches import make_mosaics, write_cache

from stroi.cache import manifest
from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files import atomic as files
from stroi.cache.files import staging as private
from stroi.cache.files.atomic import rename_new
from stroi.cache.files.staging import move_into_place, write_if_absent
from stroi.cache.share.card import About
from stroi.cache.share.convert import pack
from stroi.cache.share.publish import export_cache
from stroi.cache.share.receive import import_cache
from stroi.pipeline.cache_commands.labels import place_index, refuse_other_index

Appear = Callable[[object, Path, str], None]


@pytest.fixture(params=["in one step", "in two"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways: a system that can rename so, and one that says it cannot."""
    if request.param == "in two":
        monkeypatch.setattr(files, "_rename_noreplace", lambda source, target: errno.EINVAL)


@pytest.fixture
def appear(monkeypatch: pytest.MonkeyPatch) -> Appear:
    """Make something appear under a name just before what was made is given it."""

    def prepare(module: object, path: Path, what: str) -> None:
        def fault_point(name: str) -> None:
            if name in ("before_rename", "before_manifest") and not path.exists():
                make(path, what)

        monkeypatch.setattr(module, "fault_point", fault_point)

    return prepare


def make(path: Path, what: str) -> None:
    if what == "file":
        path.write_bytes(b"mine")
    elif what == "dangling":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
        if what == "full folder":
            (path / "mine").touch()


def state(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else sorted(one.name for one in path.iterdir())


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("made", ["file", "full folder"])
def test_a_new_name_is_given(tmp_path: Path, made: str) -> None:
    make(tmp_path / "made", made)
    before = state(tmp_path / "made")
    assert rename_new(tmp_path / "made", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert state(tmp_path / "target") == before


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("there", ["file", "dangling", "empty folder", "full folder"])
@pytest.mark.parametrize("made", ["file", "full folder"])
def test_a_taken_name_is_not(tmp_path: Path, made: str, there: str) -> None:
    make(tmp_path / "made", made)
    make(tmp_path / "target", there)
    before = state(tmp_path / "made"), state(tmp_path / "target")
    assert not rename_new(tmp_path / "made", tmp_path / "target")
    assert (state(tmp_path / "made"), state(tmp_path / "target")) == before


@pytest.mark.usefixtures("steps")
def test_what_the_disk_says_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new(tmp_path / "none", tmp_path / "target")
    with pytest.raises(FileNotFoundError):
        rename_new(tmp_path, tmp_path / "none" / "target")


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("made", ["file", "full folder"])
def test_one_of_many_gets_it(tmp_path: Path, made: str) -> None:
    for number in range(50):
        sources = [tmp_path / f"{number}-{one}" for one in range(4)]
        for source in sources:
            make(source, made)
        got: list[bool] = []
        start = threading.Barrier(len(sources))

        def run(source: Path, start: threading.Barrier, got: list[bool], target: Path) -> None:
            start.wait()
            got.append(rename_new(source, target))

        threads = [
            threading.Thread(target=run, args=(source, start, got, tmp_path / f"{number}"))
            for source in sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [False, False, False, True]
        assert sum(source.exists() for source in sources) == 3


@pytest.mark.parametrize("there", ["file", "dangling", "empty folder", "full folder"])
@pytest.mark.parametrize("made", ["file", "full folder"])
def test_nothing_that_appears_meanwhile_is_placed_over(
    tmp_path: Path, appear: Appear, made: str, there: str
) -> None:
    make(tmp_path / "made", made)
    target = tmp_path / "target"
    appear(private, target, there)
    with pytest.raises(ParamsError, match=r"TARGET_EXISTS: .*/target exists already; name"):
        move_into_place(tmp_path / "made", target)
    assert target.is_symlink() == (there == "dangling")
    assert there != "file" or target.read_bytes() == b"mine"


def test_nothing_that_appears_meanwhile_is_settled_over(tmp_path: Path, appear: Appear) -> None:
    path = tmp_path / "file"
    appear(files, path, "file")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        write_if_absent(path, b"ours")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"mine"
    path.unlink()
    write_if_absent(path, b"mine")
    assert path.read_bytes() == b"mine"


def test_no_index_that_appears_meanwhile_is_replaced(tmp_path: Path, appear: Appear) -> None:
    appear(files, tmp_path / "samples.csv", "file")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        place_index(tmp_path, {"samples.csv": b"ours"})
    assert (tmp_path / "samples.csv").read_bytes() == b"mine"


def test_a_folder_in_an_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "samples.csv").mkdir()
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        refuse_other_index(tmp_path, {"samples.csv": b"ours"})


@pytest.mark.parametrize(
    ("module", "name"), [(files, "mosaics-00000.h5"), (manifest, "manifest.json")]
)
def test_packing_replaces_nothing_that_appears_meanwhile(
    folder: Path, tmp_path: Path, appear: Appear, module: object, name: str
) -> None:
    path = tmp_path / "compact" / name
    appear(module, path, "file")
    with pytest.raises((ParamsError, RefusedInput)):
        pack(folder, tmp_path / "compact", codec="webp")
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["demo", "demo.tar"])
def test_sharing_replaces_nothing_that_appears_meanwhile(
    tmp_path: Path, appear: Appear, name: str
) -> None:
    folder = write_cache(tmp_path / "cache", [make_mosaics(("a", "b"))])
    appear(private, tmp_path / name, "empty folder" if name == "demo" else "file")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        export_cache(folder, tmp_path / name, About(), sheet=False)
    appear(private, tmp_path / "imported", "empty folder")
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        import_cache(folder, tmp_path / "imported")
    assert state(tmp_path / name) == ([] if name == "demo" else b"mine")
    assert state(tmp_path / "imported") == []
