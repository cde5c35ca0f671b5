"""Caches at URLs, fetched to a local copy: resumed where a download was cut, limited in size.

What arrives is a stranger's: `stroi.cache.share.receive.import_cache` checks it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stroi.cache.errors import RefusedInput, refusals_naming, refuse
from stroi.cache.files.atomic import os_errors_as_ours, write_atomic
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.files.locks import lock
from stroi.cache.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from stroi.cache.share.info import manifest_sha256
from stroi.cache.share.receive import import_cache, refuse_unexpected
from stroi.cache.share.urls import Watch, errors_of, missing, open_place, silently
from stroi.cache.storage.strict_json import parse_json

DOWNLOADS_VARIABLE = "STROI_DOWNLOADS"
"""Environment variable with the folder of downloads; ``~/.cache/stroi`` if it is not set."""

_CHUNK = 1 << 20
_BLOCK = 8 << 20
_VOLATILE = ("name", "url", "mimetype")
"""What a file server says of a file that changes while its bytes do not."""


def downloads_folder() -> Path:
    """Where downloads are kept."""
    chosen = os.environ.get(DOWNLOADS_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(cache) / "stroi"


@dataclass(frozen=True)
class Remote:
    """What lies at a URL, before it is fetched.

    Attributes:
        url: The URL.
        files: fsspec's file system.
        parts: Path there, name here and size in bytes, if it is known, of every file to fetch.
        manifest: Manifest of a folder; None of an archive.
        version: A name for exactly these bytes at this URL.
    """

    url: str
    files: Any
    parts: tuple[tuple[str, str, int | None], ...]
    manifest: bytes | None
    version: str


def find(url: str) -> Remote:
    """Ask what lies at a URL: an archive, or a folder with a manifest.

    Raises:
        ParamsError: ``URL_SCHEME`` if stroi reads no such URL.
        RefusedInput: ``URL_MISSING`` if nothing is there; if a manifest is none.
        StroiError: ``URL_DRIVER`` if the scheme's driver is not installed; ``URL_READ``.
    """
    files, path = open_place(url)
    manifest = None if urlsplit(url).path.endswith(".tar") else _manifest_bytes(files, path, url)
    if manifest is not None:
        listed = Manifest.from_dict(parse_json(manifest, url), url).files
        inside = tuple((f"{path}/{each.name}", each.name, each.bytes) for each in listed)
        return Remote(url, files, inside, manifest, digest([url, sha256_bytes(manifest)])[:32])
    with errors_of(url):
        info: dict[str, Any] = files.info(path)
    if info.get("type") == "directory":
        raise missing(url)
    stable = sorted((key, value) for key, value in info.items() if key not in _VOLATILE)
    parts = ((path, "archive.tar", info.get("size")),)
    return Remote(url, files, parts, None, digest([url, repr(stable)])[:32])


@contextmanager
def fetched(remote: Remote, watch: Watch = silently) -> Iterator[Path]:
    """An archive or a folder at a URL as a local one, for a ``with`` block.

    A download that was cut goes on where it stopped when the same is fetched again; what was
    refused is removed and fetched anew. Refusals within the block name the URL.

    Args:
        remote: What to fetch.
        watch: Shows the progress in bytes.

    Raises:
        RefusedInput: ``URL_MISSING``, ``URL_SIZE``.
        OutputInUse: If another process fetches the same.
        StroiError: ``URL_READ``; if the disk is full.
    """
    private = downloads_folder() / "parts" / digest(remote.url)[:32]
    with lock(private.with_suffix(".lock")):
        local = private / remote.version
        _fetch(remote, private, local, watch)
        try:
            with refusals_naming(place := _local_place(remote, local), remote.url):
                yield place
        except RefusedInput:
            shutil.rmtree(private)
            raise
        shutil.rmtree(private)


def cached(url: str, take: Callable[[Path, Path], object], watch: Watch = silently) -> Path:
    """What lies at a URL, taken in once and kept among the downloads.

    It is fetched again only when something else lies at the URL; then the old one is removed.

    Args:
        url: Its address.
        take: Given a local copy and a target, checks the one and places it as the other.
        watch: Shows the progress in bytes.

    Returns:
        The target.

    Raises:
        ParamsError, RefusedInput, StroiError: As `find`, `fetched` and `take`.
    """
    remote = find(url)
    kept, prefix = downloads_folder() / "kept", digest(url)[:16]
    target = kept / f"{prefix}-{remote.version}"
    if not target.is_dir():
        with fetched(remote, watch) as local:
            take(local, target)
    for other in kept.glob(f"{prefix}-*"):
        if other != target:
            shutil.rmtree(other)
    return target


def cached_folder(url: str, expect: str = "", watch: Watch = silently) -> Path:
    """Folder of the cache at a URL, checked and kept among the downloads.

    Args:
        url: Its address; of an archive, or of a folder with a manifest.
        expect: SHA-256 that its ``manifest.json`` must have; empty takes any.
        watch: Shows the progress in bytes.

    Raises:
        ParamsError, RefusedInput, StroiError: As `cached`, and
            `stroi.cache.share.receive.import_cache`.
    """
    folder = cached(url, lambda local, target: import_cache(local, target, expect=expect), watch)
    refuse_unexpected(url, manifest_sha256(folder), expect)
    return folder


def _manifest_bytes(files: Any, path: str, url: str) -> bytes | None:
    """The manifest of a folder; None if there is none: then `path` may be an archive."""
    data = b""
    try:
        for _, chunk in _chunks(files, f"{path}/{MANIFEST_NAME}", url, 0):
            data += chunk
            if len(data) > MAX_MANIFEST_BYTES:
                raise refuse("MANIFEST", f"{url}: its manifest is larger than any that is read")
    except RefusedInput as error:
        if error.code != "URL_MISSING":
            raise
        return None
    return data


def _local_place(remote: Remote, local: Path) -> Path:
    return local if remote.manifest is not None else local / remote.parts[0][1]


def _fetch(remote: Remote, private: Path, local: Path, watch: Watch) -> None:
    """Fill the folder `local` in `private`, and remove what is left of other versions."""
    total = sum(size or 0 for _, _, size in remote.parts)
    with os_errors_as_ours(local, total):
        local.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in private.iterdir():
            if other != local:
                shutil.rmtree(other)
        here = sum(each.stat().st_size for each in local.iterdir())
        if total - here > shutil.disk_usage(local).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if remote.manifest is not None:
            write_atomic(local / MANIFEST_NAME, remote.manifest)
        with watch(total) as on_bytes:
            for path, name, size in remote.parts:
                _fetch_file(remote, path, local / name, size, on_bytes)


def _fetch_file(
    remote: Remote, path: str, part: Path, size: int | None, on_bytes: Callable[[int], None]
) -> None:
    """Bring one file to its end, from where an earlier attempt stopped."""
    done = part.stat().st_size if part.exists() else 0
    if done == size:
        on_bytes(done)
        return
    if size is None or done > size:
        done = 0
    end = 0
    with part.open("r+b" if part.exists() else "xb") as file:
        for start, chunk in _chunks(remote.files, path, remote.url, done):
            on_bytes(len(chunk) + (0 if end else start))
            end = start + len(chunk)
            if size is not None and end > size:
                break
            file.seek(start)
            file.write(chunk)
        file.truncate(end)
    if size is not None and end != size:
        part.unlink()
        raise refuse(
            "URL_SIZE", f"{remote.url}: {part.name} does not have the {size} bytes announced"
        )


def _chunks(files: Any, path: str, url: str, start: int) -> Iterator[tuple[int, bytes]]:
    """Bytes of a file with their place: from `start`, or from 0 if its server has no ranges."""
    with errors_of(url):
        if start:
            try:
                with files.open(path, "rb", block_size=_BLOCK, cache_type="readahead") as file:
                    file.seek(start)
                    while chunk := file.read(_CHUNK):
                        yield start, chunk
                        start += len(chunk)
                return
            except ValueError:  # this is how fsspec says that a server has no ranges
                start = 0
        # 0 asks an HTTP server for one stream; other file systems have blocks.
        block = {"block_size": 0} if urlsplit(url).scheme in ("http", "https") else {}
        with files.open(path, "rb", **block) as file:
            while chunk := file.read(_CHUNK):
                yield start, chunk
                start += len(chunk)
