"""Objects of a DVC cache, hashed anew: DVC itself takes read-only ones on trust for ever."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stroi.cache.errors import RefusedInput
from stroi.cache.regular import open_regular, read_regular
from stroi.pipeline.dvc_lists import MAX_LIST_BYTES, OBJECT, ListedFile, parse_list
from stroi.pipeline.dvc_project import Out, Store
from stroi.pipeline.progress import progress

_REMEDY = "remove it and fetch again; if it comes back like this, it must be pushed again"
_MB = 1_000_000


@dataclass(frozen=True)
class CachedObject:
    """An object of the cache: `path` should hold bytes of that `md5`; `what` says whose."""

    path: Path
    md5: str
    legacy: bool
    what: str


@dataclass(frozen=True)
class Audit:
    """What an audit looked at: objects, their bytes, and how many are not in the cache."""

    objects: int
    bytes: int
    absent: int


def audit(objects: Iterable[CachedObject], *, jobs: int = 1) -> Audit:
    """Hash every object anew and read every folder list among them.

    Args:
        objects: Objects; those that are not there are counted and passed over.
        jobs: Threads at a time.

    Raises:
        RefusedInput: With the first problem, all others in its details.
    """
    wanted = {entry.path: entry for entry in objects}
    present = {path: path.lstat().st_size for path in wanted if os.path.lexists(path)}
    problems = dict(_problems([wanted[path] for path in present], present, jobs))
    if problems:
        first, *others = (problems[path] for path in sorted(problems))
        more = f" (and {len(others)} more)" if others else ""
        raise RefusedInput(
            first.code,
            f"{first.message}{more}",
            remedy=first.remedy,
            details=tuple(str(error) for error in others),
        )
    return Audit(len(present), sum(present.values()), len(wanted) - len(present))


def objects_of(outs: Iterable[Out]) -> Iterator[CachedObject]:
    """Every object that checking out `outs` would use; lists that are damaged name none."""
    for out in outs:
        yield CachedObject(out.path, out.object, out.store.legacy, out.name)
        if out.is_folder and os.path.lexists(out.path):
            try:
                files = read_list(out.path, out.name)
            except RefusedInput:
                continue
            for file in files:
                path, what = out.store.path(file.md5), f"{file.relpath} of {out.name}"
                yield CachedObject(path, file.md5, out.store.legacy, what)


def objects_in(store: Store) -> Iterator[CachedObject]:
    """Every object of one layout of a cache, whoever uses it."""
    folders = sorted(store.folder.iterdir()) if store.folder.is_dir() else []
    for folder in folders:
        if re.fullmatch("[0-9a-f]{2}", folder.name) and folder.is_dir():
            for path in sorted(folder.iterdir()):
                name = folder.name + path.name
                if OBJECT.fullmatch(name.removesuffix(".dir")):
                    yield CachedObject(path, name, store.legacy, "")


def read_list(path: Path, what: str) -> tuple[ListedFile, ...]:
    """The files of a folder list in the cache.

    Args:
        path: The object, named by its MD5.
        what: The out that it describes, or empty if that is not known.

    Raises:
        RefusedInput: ``DVC_OBJECT``, ``DIGEST``, or as `stroi.pipeline.dvc_lists.parse_list`.
    """
    data = read_regular(path, "DVC_OBJECT", MAX_LIST_BYTES, remedy=_REMEDY)
    where = f"list {path}" + (f" of {what}" if what else "")
    check_list_name(data, path.parent.name + path.name, where)
    return parse_list(data, where)


def check_list_name(data: bytes, name: str, where: str) -> None:
    """Refuse a folder list that its name, ``MD5.dir``, does not belong to.

    Raises:
        RefusedInput: ``DIGEST``.
    """
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != name.removesuffix(".dir"):
        raise RefusedInput("DIGEST", f"{where}: its MD5 is {found}", remedy=_REMEDY)


def _problems(
    objects: Sequence[CachedObject], sizes: Mapping[Path, int], jobs: int
) -> Iterator[tuple[Path, RefusedInput]]:
    total = -(-sum(sizes.values()) // _MB)
    read = shown = 0
    with (
        progress(total, label="audit", unit="MB") as bar,
        ThreadPoolExecutor(max_workers=jobs) as pool,
    ):
        try:
            waiting = {pool.submit(_problem, entry): entry.path for entry in objects}
            for done in as_completed(waiting):
                path, problem = waiting[done], done.result()
                read += sizes[path]
                bar.update(-(-read // _MB) - shown)
                shown = -(-read // _MB)
                if problem:
                    yield path, problem
        finally:
            pool.shutdown(cancel_futures=True)


def _problem(entry: CachedObject) -> RefusedInput | None:
    try:
        if entry.path.parent.is_symlink():
            folder = entry.path.parent
            raise RefusedInput("DVC_OBJECT", f"{folder} is a link", remedy="remove it")
        if entry.md5.endswith(".dir"):
            read_list(entry.path, entry.what)
        else:
            _check_digest(entry)
    except RefusedInput as error:
        return error
    return None


def _check_digest(entry: CachedObject) -> None:
    with (
        open_regular(entry.path, "DVC_OBJECT", remedy=_REMEDY) as (fd, _),
        open(fd, "rb", buffering=0, closefd=False) as file,
    ):
        found = hashlib.file_digest(file, _md5).hexdigest()
        if found != entry.md5 and entry.legacy:
            found = _legacy_md5(file)
    if found != entry.md5:
        whose = f" ({entry.what})" if entry.what else ""
        raise RefusedInput(
            "DIGEST", f"object {entry.path}{whose}: its MD5 is {found}", remedy=_REMEDY
        )


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _legacy_md5(file: BinaryIO) -> str:
    """MD5 as DVC 2 took it: of a text without carriage returns."""
    from dvc_data.hashfile.hash import fobj_md5

    file.seek(0)
    return str(fobj_md5(file, name="md5-dos2unix"))
