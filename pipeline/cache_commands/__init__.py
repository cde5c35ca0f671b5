"""``stroi cache``: look at caches, compare them, make them small, hand them on."""

from __future__ import annotations

import click

from stroi.pipeline.lazy import LazyGroup, Table

COMMANDS: Table = {
    "verify": ("stroi.pipeline.cache_commands.verify:command", "Check every file of a cache."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Verify, compare, pack and share caches: folders that hold a manifest.json.

    All but `verify --dataset` need nothing but the folder. Exit codes: 0 good, 1 failed or
    (`diff`) different, 2 wrong usage, 3 refused input or (`verify`) a problem found, 4 in use.
    """
