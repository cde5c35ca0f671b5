"""``stroi cache``: verify, compare, pack and share caches."""

from __future__ import annotations

import click

from stroi.pipeline.lazy import LazyGroup, Table

_HERE = __name__

COMMANDS: Table = {
    "verify": (f"{_HERE}.verify:command", "Check every file, and list what made the cache."),
    "info": (f"{_HERE}.info:command", "Summarise a cache."),
    "diff": (f"{_HERE}.diff:command", "List the samples that differ between two caches."),
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

    Most need only the folder; `verify --dataset` and `prune` also use the project.
    Exit codes: 0 good, 1 failed or (`diff`) different, 2 wrong usage, 3 refused input or (`verify`)
    a problem found, 4 in use.
    """
