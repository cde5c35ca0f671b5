"""``stroi cache prune``: remove from the store what no out was last built from.

The store keeps the work of every param ever tried, so that one that comes back finds it. That is
most useful until the disk is full.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.locks import lock
from stroi.cache.temporaries import is_left_over, remove_left_over
from stroi.pipeline.options import in_project, say
from stroi.pipeline.plans import PLANS, Plan, read_plans
from stroi.pipeline.shards import STORE_LOCK
from stroi.pipeline.suspects import CRASHED, MARKS, is_stale
from stroi.pipeline.workspace import Workspace

LOCKS = "locks"
TRAINING = "training"
"""Folder of the store: states of trainings, by the digest of all they depend on."""
KEPT = ".npz"
"""Ending of what a stage keeps per clip."""
LEFT_OVER = "left by killed runs"

_WORK = re.compile(r"[0-9a-f]{64}\.(h5|json|npz)")
_STATE = re.compile(r"[0-9a-f]{32}\.safetensors")
_NOTE = re.compile(r"[0-9a-f]{64}\.json")
_PLAN = re.compile(r"[0-9a-f]{32}\.json")


@dataclass(frozen=True)
class Unused:
    """A file of the store that can go.

    Attributes:
        path: Where it lies.
        what: What it is, for the user.
        bytes: Its size.
        freed: Bytes that its end frees: 0 while an out or DVC's cache has a link to it.
    """

    path: Path
    what: str
    bytes: int
    freed: int


@dataclass(frozen=True)
class Also:
    """What goes beside the work that no out was last built from.

    Attributes:
        detections: Everybody found in the clips of finished skeletons; needed again only when
            tracking or choice of people change.
        training: States of trainings, which nothing tells from each other.
        crashed: Notes of clips that crashed; without one a clip is tried again.
    """

    detections: bool = False
    training: bool = False
    crashed: bool = False


NOTHING_ELSE = Also()


def find_unused(store: Path, also: Also = NOTHING_ELSE) -> list[Unused]:
    """Files of the store that no out was last built from.

    Args:
        store: Folder of finished work.
        also: What else.

    Raises:
        RefusedInput: ``STORE`` if `store` is none, or does not say what is used; ``PLAN``.
    """
    if not (store / PLANS).is_dir():
        raise RefusedInput(
            "STORE",
            f"{store} does not say what is used: it has no folder {PLANS!r}",
            remedy="run the stages once, or name the store in STROI_STORE",
        )
    plans = read_plans(store)
    used = {file for plan in plans for file in _used(store, plan, also)}
    stale = {plan.path.name for plan in plans if not plan.concerns(store)}
    wanted = {
        TRAINING: (_STATE, also.training),
        CRASHED: (_NOTE, also.crashed),
        PLANS: (_PLAN, True),
    }
    found = []
    for folder in _folders(store):
        pattern, asked = wanted.get(folder.name, (_WORK, True))
        for entry in _files(folder):
            relative = f"{folder.name}/{entry.name}"
            if _is_left_over(folder, entry.name):
                found.append(_unused(entry, LEFT_OVER))
            elif not asked or pattern.fullmatch(entry.name) is None:
                continue
            elif entry.name in stale if folder.name == PLANS else relative not in used:
                found.append(_unused(entry, folder.name))
    return found


def remove(store: Path, also: Also = NOTHING_ELSE) -> list[Unused]:
    """Remove what `find_unused` finds, while nobody builds or trains; return what went.

    Raises:
        OutputInUse: If a stage is running.
        RefusedInput: As `find_unused`.
    """
    with ExitStack() as held:
        for path in sorted({store / LOCKS / STORE_LOCK, *(store / LOCKS).glob("*.lock")}):
            held.enter_context(lock(path))
        unused = find_unused(store, also)
        for file in unused:
            _unlink(file.path)
        for folder in store.glob("progress.tmp-*"):
            remove_left_over(folder)
    return unused


def _used(store: Path, plan: Plan, also: Also) -> Iterable[str]:
    if not plan.concerns(store):
        return ()
    kept = [file for file in plan.files if file.endswith(KEPT)]
    rest = plan.files.difference(kept)
    finished = all((store / file).exists() for file in rest if file.endswith(".json"))
    return rest if also.detections and finished else plan.files


def _folders(store: Path) -> Iterator[Path]:
    """Folders of the store that hold work; what is behind a link is not in the store."""
    with os.scandir(store) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False) and entry.name != LOCKS:
                yield Path(entry.path)


def _files(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    return sorted(files, key=lambda entry: entry.name)


def _is_left_over(folder: Path, name: str) -> bool:
    return is_stale(folder / name) if folder.name == MARKS else is_left_over(folder / name)


def _unused(entry: os.DirEntry[str], what: str) -> Unused:
    status = entry.stat(follow_symlinks=False)
    freed = status.st_blocks * 512 if status.st_nlink == 1 else 0
    return Unused(Path(entry.path), what, status.st_size, freed)


def _unlink(path: Path) -> None:
    # By its folder, which must be none that somebody put there in the meantime.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _count(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


def _summary(unused: Sequence[Unused]) -> list[str]:
    """A line per kind, and what their end frees."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in unused:
        files[file.what] += 1
        sizes[file.what] += file.bytes
    lines = [f"{what}: {_count(files[what])}, {_size(sizes[what])}" for what in sorted(files)]
    freed = sum(file.freed for file in unused)
    shared = sum(file.bytes for file in unused if not file.freed)
    rest = f"; {_size(shared)} have links in outs or DVC's cache and stay there" if shared else ""
    return [*lines, f"frees {_size(freed)}{rest}"]


@click.command(
    help="Remove from the store of finished work what no stage used when it last ran: work of "
    "earlier params and of clips that are gone. Without --yes it only says what would go. Outs "
    "are never touched; params that come back are computed anew."
)
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option(
    "--detections",
    is_flag=True,
    help="Also everybody found in the clips of finished skeletons: it is found anew when another "
    "choice of people is asked for.",
)
@click.option(
    "--training",
    is_flag=True,
    help="Also the states of all trainings, finished or interrupted: those start from the "
    "beginning next time.",
)
@click.option("--crashed", is_flag=True, help="Also forget which clips crashed: try them again.")
@in_project
def command(
    workspace: Workspace, yes: bool, detections: bool, training: bool, crashed: bool
) -> None:
    """Prune the store of a project."""
    act = remove if yes else find_unused
    unused = act(workspace.store, Also(detections, training, crashed))
    if not unused:
        say(f"{workspace.store}: all is used")
        return
    for line in _summary(unused):
        say(line)
    count = _count(len(unused))
    if yes:
        say(f"removed {count} from {workspace.store}")
    else:
        say(f"would remove {count} from {workspace.store}; add --yes to do it")
