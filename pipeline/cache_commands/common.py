"""Shared by the cache commands: arguments, sizes, progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import FileEntry, Manifest
from stroi.cache.share.card import flat
from stroi.cache.share.urls import Watch, as_path
from stroi.cache.verify import OnFile, find_problems
from stroi.pipeline.parallel.progress import progress

Command = Callable[..., Any]

_MOST_FACTS = 100
_LONGEST = 200
MEGA = 1_000_000

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY = click.Path(path_type=Path)


def place(*, exists: bool) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Callback of an argument that is a local path, passed on as a Path, or a URL, as its text.

    Args:
        exists: Whether a local path must exist.
    """
    local = click.Path(exists=exists, path_type=Path)

    def convert(context: click.Context, argument: click.Parameter, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(convert(context, argument, each) for each in value)
        path = as_path(value)
        return value if path is None else local.convert(str(path), argument, context)

    return convert


@contextmanager
def local_copy(source: Path | str) -> Iterator[Path]:
    """A local path as it is, or a copy of what lies at a URL, while a block runs.

    Raises:
        ParamsError, RefusedInput, StroiError: As `stroi.cache.share.remote.find` and `fetched`.
    """
    if isinstance(source, Path):
        yield source
        return
    from stroi.cache.share.remote import fetched, find

    with fetched(find(source), counting_bytes("download")) as path:
        yield path


def with_jobs(function: Command) -> Command:
    """Give a command ``--jobs``, passed on as an int."""
    return click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        default=lambda: len(os.sched_getaffinity(0)),
        show_default="number of cores",
        envvar="STROI_JOBS",
        help="Files checked at a time.",
    )(function)


def with_json(function: Command) -> Command:
    """Give a command ``--json``, passed on as the flag `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def example(text: str) -> str:
    """The last paragraph of a command's help: one line as a user types it."""
    return f"\b\nExample:\n  {text}"


def size(count: int) -> str:
    """A number of bytes for people, in decimal units."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def many(count: int, noun: str) -> str:
    """A count with its noun, such as "1 file" or "2 files"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def check_files(
    folder: Path,
    manifest: Manifest,
    jobs: int,
    *,
    received: bool,
    on_file: OnFile = lambda entry, problem: None,
) -> list[RefusedInput]:
    """Every problem of a cache, with a progress display."""
    with counting_files(len(manifest.files), on_file) as on_checked:
        return list(find_problems(folder, manifest, jobs, received=received, on_file=on_checked))


@contextmanager
def counting_files(total: int, on_file: OnFile = lambda entry, problem: None) -> Iterator[OnFile]:
    """A progress display of `total` files to be verified."""
    with progress(total, label="verify", unit="files") as bar:

        def on_checked(entry: FileEntry, problem: str) -> None:
            on_file(entry, problem)
            bar.update(1)

        yield on_checked


@contextmanager
def counting_samples(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """A progress display of `total` samples."""
    with progress(total, label=label, unit="samples") as bar:
        yield bar.update


def counting_bytes(label: str) -> Watch:
    """A progress display of bytes, in MB."""

    @contextmanager
    def watch(total: int) -> Iterator[Callable[[int], None]]:
        moved = 0

        def on_bytes(count: int) -> None:
            nonlocal moved
            shown, moved = moved // MEGA, moved + count
            bar.update(moved // MEGA - shown)

        with progress(total // MEGA, label=label, unit="MB") as bar:
            yield on_bytes

    return watch


def facts(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Leaves of a stranger's JSON as harmless text, cut where there is too much of it."""
    leaves = list(flat(tree))
    for key, text in leaves[:_MOST_FACTS]:
        yield ascii(key)[1:-1][:_LONGEST], text[:_LONGEST]
    if len(leaves) > _MOST_FACTS:
        yield "...", f"and {len(leaves) - _MOST_FACTS} more"


def first_few(names: Sequence[str], limit: int = 5) -> str:
    """The first of a list and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
