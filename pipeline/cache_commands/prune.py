"""``stroi cache prune``: remove from the store what no out links to.

An out, and DVC's cache, hold hard links to the shards of the store, so a shard with a single link
is in neither. Where copies stand in for links, removing one costs its computation, never data.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import os_errors_as_ours
from stroi.cache.files.locks import lock
from stroi.cache.files.temporaries import is_left_over
from stroi.pipeline.cache_commands.common import many, size
from stroi.pipeline.options import in_project
from stroi.pipeline.shards.build import STORE_LOCK
from stroi.pipeline.shards.crashes import CRASHED, MARKS, is_stale
from stroi.pipeline.workspace import Workspace

OPTIONAL = ("detections", "training", CRASHED)
"""Folders of the store whose files no out ever links to: each goes by its own option."""

NOTES = ("digests", "verified", "scales")
"""Folders of the store with a few small files, which save work and stay."""

_WORK = re.compile(r"[0-9a-f]{32,64}\.(h5|json|npz|safetensors|txt)")


def find_unused(store: Path, days: float, also: Collection[str] = ()) -> dict[Path, int]:
    """Files of the store that no out links to, and the bytes that each takes on the disk.

    Args:
        store: Folder of finished work.
        days: How long no link of the file must have come or gone.
        also: Those of `OPTIONAL` that go too.

    Raises:
        RefusedInput: ``STORE`` if `store` is none.
    """
    if not (store / "locks").is_dir():
        raise RefusedInput(
            "STORE", f"{store} is no store", remedy="run a stage once, or name it in STROI_STORE"
        )
    newest = time.time() - 86400 * days
    return {
        path: path.lstat().st_blocks * 512
        for folder in sorted(store.iterdir())
        if folder.is_dir() and not folder.is_symlink()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.is_symlink() and _is_unused(path, newest, also)
    }


def _is_unused(path: Path, newest: float, also: Collection[str]) -> bool:
    kind = path.parent.name
    if is_stale(path) if kind == MARKS else is_left_over(path):
        return True
    if kind in NOTES or not _WORK.fullmatch(path.name) or (kind in OPTIONAL and kind not in also):
        return False
    # A shard and the note about it go together.
    status = [one.lstat() for one in (path, path.with_suffix(".h5")) if one.exists()]
    # After forgetting a crash, the clip is tried again at once.
    return all(one.st_nlink == 1 and (one.st_ctime < newest or kind == CRASHED) for one in status)


def prune(store: Path, days: float, also: Collection[str] = ()) -> dict[Path, int]:
    """Remove what `find_unused` lists, while no stage runs.

    Returns:
        The removed files and their bytes.

    Raises:
        OutputInUse: If a stage is running.
        RefusedInput: As `find_unused`.
        StroiError: If the disk fails.
    """
    find_unused(store, days, also)
    with ExitStack() as locks:
        for path in sorted({store / "locks" / STORE_LOCK, *(store / "locks").glob("*.lock")}):
            locks.enter_context(lock(path))
        unused = find_unused(store, days, also)
        with os_errors_as_ours(store):
            for path in unused:
                path.unlink()
    return unused


@click.command(
    help="Remove from the store of finished work what no out and no object of DVC's cache links "
    "to: work of earlier params and of clips that are gone. Without --yes it only prints "
    "what would go. Outs are never touched; params that come back are computed anew."
)
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option(
    "--older-than",
    "days",
    metavar="DAYS",
    type=click.FloatRange(min=0),
    default=7,
    show_default=True,
    help="Only what has been unused so long, so that an interrupted run finds its work.",
)
@click.option("--detections", is_flag=True, help="Also the people detected in the clips.")
@click.option("--training", is_flag=True, help="Also the states of trainings, interrupted or not.")
@click.option("--crashed", is_flag=True, help="Also forget which clips crashed: try them again.")
@in_project
def command(workspace: Workspace, /, yes: bool, days: float, **options: bool) -> None:
    """Prune the store of a project."""
    also = [name for name, chosen in options.items() if chosen]
    unused = (prune if yes else find_unused)(workspace.store, days, also)
    kinds = Counter(path.parent.name for path in unused)
    for kind, count in sorted(kinds.items()):
        on_disk = sum(unused[path] for path in unused if path.parent.name == kind)
        click.echo(f"{kind}: {many(count, 'file')}, {size(on_disk)}")
    what = f"{many(len(unused), 'file')}, {size(sum(unused.values()))}, from {workspace.store}"
    if yes:
        click.echo(f"removed {what}")
    else:
        click.echo(f"would remove {what}" + "; add --yes to do it" * bool(unused))
