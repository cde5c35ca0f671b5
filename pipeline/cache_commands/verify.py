"""``stroi cache verify``: complete, untouched, made with these params from these inputs?"""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.verify import verify
from stroi.pipeline.options import say


@click.command(help="Check every file of each cache FOLDER against its manifest.")
@click.argument(
    "folders",
    metavar="FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
def command(folders: tuple[Path, ...]) -> None:
    """Verify folders of shards, weights or scores."""
    for folder in folders:
        problems = verify(folder)
        if problems:
            raise RefusedInput(
                "DIGEST",
                f"{folder}: {problems[0]}",
                remedy="rerun the stage that made it, or fetch it again",
                details=tuple(problems[1:]),
            )
        say(f"{folder}: complete and untouched")
