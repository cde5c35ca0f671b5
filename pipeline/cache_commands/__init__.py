"""``stroi cache``: look at caches, compare them, make them small, hand them on."""

from __future__ import annotations

import click

from stroi.pipeline.lazy import LazyGroup, Table

_HERE = __name__

COMMANDS: Table = {
    "verify": (f"{_HERE}.verify:command", "Check every file: complete, untouched, made how."),
    "info": (f"{_HERE}.info:command", "Say what a cache is, at a glance."),
    "diff": (f"{_HERE}.diff:command", "Say which samples of two caches differ, and how much."),
    "pack": (f"{_HERE}.packing:pack_command", "Make mosaics small to share."),
    "unpack": (f"{_HERE}.packing:unpack_command", "Make packed mosaics fast to read again."),
    "export": (f"{_HERE}.export:command", "Publish a cache with a card."),
    "import": (f"{_HERE}.receive:command", "Check a received cache and place it."),
    "prune": (
        "stroi.pipeline.cache_commands.prune:command",
        "Remove stored work that no out links to.",
    ),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Verify, compare, pack and share caches: folders that hold a manifest.json.

    Most need nothing but the folder; `verify --dataset` and `prune` look at the project.
    Exit codes: 0 good, 1 failed or (`diff`) different, 2 wrong usage, 3 refused input or (`verify`)
    a problem found, 4 in use.
    """
