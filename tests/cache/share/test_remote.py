"""Caches at URLs: whole and checked, resumed, or refused with a name; from HTTP and from memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from file_server import FileServer, serve
from small_caches import make_mosaics, write_cache
from small_project import flip

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.share import remote
from stroi.cache.share.card import About
from stroi.cache.share.publish import export_cache
from stroi.cache.share.remote import cached_folder, fetched, find
from stroi.cache.share.upload import upload
from stroi.cache.share.urls import as_path
from stroi.cache.verify import verify


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STROI_DOWNLOADS", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    """A server of ``cache/`` (a folder of two shards) and ``cache.tar``."""
    shards = [make_mosaics(("a", "b"), seed=1), make_mosaics(("c",), seed=2)]
    made = write_cache(tmp_path / "made", shards)
    (tmp_path / "www").mkdir()
    for name in ("cache", "cache.tar"):
        export_cache(made, tmp_path / "www" / name, About(), sheet=False)
    with serve(tmp_path / "www") as server:
        yield server


def left(downloads: Path) -> list[str]:
    """What is kept of downloads that did not end, locks aside."""
    parts = downloads / "parts"
    return [each.name for each in parts.rglob("*") if each.is_file() and each.suffix != ".lock"]


@pytest.mark.parametrize("name", ["cache", "cache.tar", "cache/"])
@pytest.mark.parametrize("ranges", [True, False])
def test_what_lies_at_an_address_arrives(
    server: FileServer, downloads: Path, name: str, ranges: bool
) -> None:
    server.ranges = ranges
    folder = cached_folder(f"{server.url}/{name}")
    assert verify(folder) == []
    here = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert here == {path.name: path.read_bytes() for path in (server.folder / "cache").iterdir()}
    assert left(downloads) == []


def test_it_is_fetched_once_and_again_when_it_changed(
    server: FileServer, downloads: Path, tmp_path: Path
) -> None:
    url = f"{server.url}/cache.tar"
    first = cached_folder(url)
    server.asked.clear()
    assert cached_folder(url) == first
    assert [method for method, _, _ in server.asked] == ["HEAD"]
    (server.folder / "cache.tar").unlink()
    other = write_cache(tmp_path / "other", [make_mosaics(("a", "b", "c"), seed=5)])
    export_cache(other, server.folder / "cache.tar", About(), sheet=False)
    second = cached_folder(url)
    assert second != first
    assert not first.exists()
    assert verify(second) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_goes_on(
    server: FileServer, downloads: Path, ranges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_CHUNK", 1000)
    server.ranges, server.cut = ranges, 7000
    url = f"{server.url}/cache.tar"
    moved: list[int] = []

    @contextmanager
    def watch(total: int) -> Iterator[Callable[[int], None]]:
        def on_bytes(count: int) -> None:
            moved.append(count)
            if sum(moved) >= server.cut:
                server.arrived.set()

        yield on_bytes

    with pytest.raises(StroiError, match=r"URL_READ: http://.*tar cannot be read: .*stopped$"):
        cached_folder(url, watch=watch)
    assert left(downloads) == ["archive.tar"]
    [part] = downloads.rglob("archive.tar")
    assert part.stat().st_size == sum(moved) == 7000
    server.cut = 0
    server.asked.clear()
    moved.clear()
    assert verify(cached_folder(url, watch=watch)) == []
    assert sum(moved) == (server.folder / "cache.tar").stat().st_size
    starts = [each for _, _, each in server.asked if each]
    assert starts
    assert not starts[0].startswith("bytes=0-")


@pytest.mark.parametrize("name", ["cache", "cache.tar"])
def test_a_flipped_byte_is_refused_by_name_and_fetched_anew(
    server: FileServer, downloads: Path, name: str
) -> None:
    shard = server.folder / "cache" / "mosaics-00001.h5"
    data = shard.read_bytes()
    path = shard if name == "cache" else server.folder / name
    whole = path.read_bytes()
    flip(path, -1 if name == "cache" else whole.index(data) + len(data) - 1)
    url = f"{server.url}/{name}"
    with pytest.raises(RefusedInput, match=rf"DIGEST: {url}/mosaics-00001\.h5: .* damaged: c of 1"):
        cached_folder(url)
    assert left(downloads) == []
    assert list((downloads / "kept").iterdir()) == []
    path.write_bytes(whole)
    assert verify(cached_folder(url)) == []


def test_another_cache_than_the_publishers_is_refused(server: FileServer) -> None:
    url = f"{server.url}/cache"
    for _ in range(2):  # also when it is there already
        with pytest.raises(RefusedInput, match=rf"EXPECT: {url}: the SHA-256 .*, want 0000"):
            cached_folder(url, expect="0" * 64)
        cached_folder(url)


def test_what_is_no_cache_is_refused(server: FileServer, downloads: Path) -> None:
    with pytest.raises(RefusedInput, match=r"URL_MISSING: http:.*/none: there is no archive, and"):
        find(f"{server.url}/none")
    (server.folder / "page").mkdir()
    (server.folder / "page" / "manifest.json").write_text("<html></html>")
    with pytest.raises(RefusedInput, match=r"JSON: http:.*/page is not JSON"):
        find(f"{server.url}/page")
    (server.folder / "cache" / "mosaics-00000.h5").unlink()
    with pytest.raises(RefusedInput, match=r"URL_MISSING: .*complete manifest\.json; check"):
        cached_folder(f"{server.url}/cache")


def test_a_manifest_cannot_name_a_place_outside(server: FileServer, downloads: Path) -> None:
    path = server.folder / "cache" / "manifest.json"
    path.write_text(path.read_text().replace("mosaics-00000.h5", "../../outside.h5"))
    (server.folder / "outside.h5").write_bytes(b"x")
    with pytest.raises(RefusedInput, match=r"MANIFEST: http.*name is not the name of a file of"):
        cached_folder(f"{server.url}/cache")
    assert list(downloads.parent.rglob("outside.h5")) == [server.folder / "outside.h5"]


def test_a_file_longer_than_the_manifest_says_is_not_read_to_its_end(
    server: FileServer, downloads: Path
) -> None:
    with (server.folder / "cache" / "mosaics-00000.h5").open("ab") as file:
        file.write(bytes(5_000_000))
    with pytest.raises(RefusedInput, match=r"URL_SIZE: http.*: mosaics-00000\.h5 does not have"):
        cached_folder(f"{server.url}/cache")
    assert "mosaics-00000.h5" not in left(downloads)


@pytest.mark.parametrize("name", ["cache", "cache.tar"])
def test_what_is_uploaded_is_what_is_fetched(server: FileServer, tmp_path: Path, name: str) -> None:
    """``memory://`` stands for a store of objects: fsspec has one way to write to them all."""
    url = f"memory://{tmp_path.name}-{os.getpid()}/some/{name}"
    upload(server.folder / name, url)
    with pytest.raises(ParamsError, match=r"TARGET_EXISTS: memory:.* exists already; name another"):
        upload(server.folder / name, url)
    with fetched(find(url)) as local:
        names = [local] if local.is_file() else sorted(local.iterdir())
        sent = server.folder / name
        for each in names:
            original = sent if sent.is_file() else sent / each.name
            assert each.read_bytes() == original.read_bytes()
    assert verify(cached_folder(url)) == []


def test_addresses_that_cannot_be_used() -> None:
    with pytest.raises(ParamsError, match=r"URL_READ_ONLY: https://x/y: nothing can be written"):
        upload(Path(), "https://x/y")
    for url in ("ftp://x/y", "zip://a::https://x/y", "https://x::y"):
        with pytest.raises(ParamsError, match=r"URL_SCHEME: .*; want one of http://, https://, s3"):
            find(url)


@pytest.mark.parametrize(("scheme", "module"), [("s3", "s3fs"), ("hf", "huggingface_hub")])
def test_a_missing_driver_is_named_with_its_extra(
    scheme: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StroiError, match=rf"URL_DRIVER: .*; pip install 'stroi\[{scheme}\]'"):
        find(f"{scheme}://bucket/cache.tar")


def test_local_places(tmp_path: Path) -> None:
    assert as_path("a/b") == Path("a/b")
    assert as_path((tmp_path / "a b").as_uri()) == tmp_path / "a b"
    assert as_path("s3://a/b") is None
