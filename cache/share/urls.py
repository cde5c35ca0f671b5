"""URLs of caches: which are known, what drives them, and what their drivers' errors mean.

fsspec and the driver of a URL's scheme are imported when a URL is used, and are needed for nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stroi.cache.errors import ParamsError, RefusedInput, StroiError, refuse
from stroi.cache.manifest import MANIFEST_NAME

EXTRAS = {"http": "http", "https": "http", "s3": "s3", "hf": "hf", "memory": "http"}
"""Scheme of a URL to the extra of stroi that brings its driver; ``file`` needs none."""

Watch = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given a number of bytes, a context of what is called with the bytes that were moved since."""


def as_path(source: Path | str) -> Path | None:
    """The local path that `source` is, also as a ``file://`` URL; None for any other URL."""
    if isinstance(source, Path) or "://" not in source:
        return Path(source)
    parts = urlsplit(source)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def silently(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """A `Watch` that shows nothing."""
    return nullcontext(lambda count: None)


def open_place(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        ParamsError: ``URL_SCHEME`` if stroi knows no such URL.
        StroiError: ``URL_DRIVER`` if the scheme's driver is not installed.
    """
    scheme = urlsplit(url).scheme
    if scheme not in EXTRAS or "::" in url:
        raise ParamsError(
            "URL_SCHEME",
            f"{url!a}: stroi knows no such URL",
            remedy=f"want one of {', '.join(f'{each}://' for each in (*EXTRAS, 'file'))}",
        )
    options: dict[str, Any] = {}
    try:
        if EXTRAS[scheme] == "http" and scheme != "memory":
            from aiohttp import ClientTimeout

            # By default all of a download has to end within five minutes.
            options["client_kwargs"] = {"timeout": ClientTimeout(None, sock_read=60)}
        from fsspec.core import url_to_fs

        files, path = url_to_fs(url, **options)
    except ImportError as error:
        raise StroiError(
            "URL_DRIVER",
            f"{url}: the driver of {scheme}:// is not installed ({error})",
            remedy=f"pip install 'stroi[{EXTRAS[scheme]}]'",
        ) from error
    return files, str(path).rstrip("/")


@contextmanager
def errors_of(url: str, code: str = "URL_READ") -> Iterator[None]:
    """Errors of a driver as ours.

    Raises:
        RefusedInput: ``URL_MISSING`` if what shall be read is not there.
        StroiError: With `code`, ``URL_READ`` or ``URL_WRITE``, for every other error.
    """
    try:
        yield
    except StroiError:
        raise
    except Exception as error:
        if code == "URL_READ" and isinstance(error, FileNotFoundError):
            raise missing(url) from error
        done, again = ("read", "; it goes on where it stopped")
        if code == "URL_WRITE":
            done, again = "written", ""
        raise StroiError(
            code,
            f"{url} cannot be {done}: {type(error).__name__}: {str(error)[:300]!a}",
            remedy=f"check the address, the network and your rights there, and try again{again}",
        ) from error


def missing(url: str) -> RefusedInput:
    """The refusal of a URL where no cache is, for the caller to raise."""
    return refuse(
        "URL_MISSING",
        f"{url}: there is no archive, and no folder with a complete {MANIFEST_NAME}",
        "check the address",
    )
