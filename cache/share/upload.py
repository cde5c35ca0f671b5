"""A cache that was exported, written to a URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stroi.cache.errors import ParamsError
from stroi.cache.manifest import MANIFEST_NAME
from stroi.cache.share.urls import Watch, errors_of, open_place, silently


def require_writable(url: str) -> tuple[Any, str]:
    """The file system of a URL where nothing is yet, and the path in it.

    Raises:
        ParamsError: ``URL_SCHEME``; ``URL_READ_ONLY`` of an address that is only read;
            ``TARGET_EXISTS``.
        StroiError: ``URL_DRIVER``; ``URL_WRITE`` if it cannot be asked.
    """
    if urlsplit(url).scheme in ("http", "https"):
        raise ParamsError(
            "URL_READ_ONLY",
            f"{url}: nothing can be written there",
            remedy="export to a file and upload that, or name an s3:// or hf:// place",
        )
    files, path = open_place(url)
    with errors_of(url, "URL_WRITE"):
        there = files.exists(path)
    if there:
        raise ParamsError(
            "TARGET_EXISTS", f"{url} exists already", remedy="name another target or remove it"
        )
    return files, path


def upload(made: Path, url: str, watch: Watch = silently) -> None:
    """Write an archive, or a folder of files, to a URL where nothing is.

    The manifest of a folder comes last: without it, there is no cache.

    Raises:
        ParamsError, StroiError: As `require_writable`; ``URL_WRITE`` if it cannot be written.
    """
    files, path = require_writable(url)
    parts = {path: made}
    if made.is_dir():
        order = sorted(made.iterdir(), key=lambda each: (each.name == MANIFEST_NAME, each.name))
        parts = {f"{path}/{each.name}": each for each in order}
    with (
        watch(sum(each.stat().st_size for each in parts.values())) as on_bytes,
        errors_of(url, "URL_WRITE"),
    ):
        for target, source in parts.items():
            _put(files, source, target, on_bytes)


def _put(files: Any, source: Path, target: str, on_bytes: Callable[[int], None]) -> None:
    from fsspec.callbacks import Callback

    moved = 0

    def count(size: int | None, value: int, **_: object) -> None:
        nonlocal moved
        on_bytes(value - moved)
        moved = value

    files.put_file(str(source), target, callback=Callback(hooks={"count": count}))
    files.invalidate_cache()
    size = source.stat().st_size
    on_bytes(size - moved)
    if files.size(target) != size:
        raise OSError(f"{target} has {files.size(target)} bytes after {size} were sent")
