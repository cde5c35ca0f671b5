"""Command ``table``: write the CSV table of a public data set from its file names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from stroi.cache.errors import RefusedInput
from stroi.cache.files import write_atomic
from stroi.pipeline.datasets.table import REQUIRED
from stroi.pipeline.index import csv_bytes
from stroi.pipeline.options import in_project, say
from stroi.pipeline.params import check_name
from stroi.pipeline.workspace import Workspace

TableRow = tuple[str, str, str, str, str]
"""Sample id, video file name, label, subject, camera."""

_UT_NAME = re.compile(r"(?P<index>[0-9]{1,3})_(?P<sequence>[0-9]{1,2})_(?P<action>[0-5])\.avi")
_UT_ACTIONS = ("handshake", "hug", "kick", "point", "punch", "push")


def ut_interaction(folder: Path) -> list[TableRow]:
    """Rows for one set of UT-Interaction, segmented: files ``<index>_<sequence>_<action>.avi``.

    The subject column holds the sequence, the unit that the data set's protocol leaves out; the
    set has one camera.
    """
    rows = []
    for path in sorted(folder.iterdir()):
        match = _UT_NAME.fullmatch(path.name)
        if match is not None:
            label = _UT_ACTIONS[int(match["action"])]
            name = f"ut_{int(match['index']):03d}_{label}"
            rows.append((name, path.name, label, match["sequence"], "1"))
    return rows


NAMINGS: dict[str, Callable[[Path], list[TableRow]]] = {"ut-interaction": ut_interaction}
"""By the name that the command takes."""


def write_table(raw: Path, folder: Path, rows: list[TableRow]) -> None:
    """Make `raw` a data set: ``table.csv``, and ``videos`` with a link to each file of `folder`.

    Files are linked one by one because DVC does not look behind a linked folder inside a data set.

    Raises:
        RefusedInput: If there is no row, or a video of another origin is in the way.
    """
    if not rows:
        raise RefusedInput(
            "TABLE_EMPTY",
            f"{folder} has no file that is named as this data set names its videos",
            remedy="give the folder that holds the videos themselves",
        )
    (raw / "videos").mkdir(parents=True, exist_ok=True)
    for _, video, *_ in rows:
        link = raw / "videos" / video
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise RefusedInput(
                "TABLE_VIDEOS",
                f"{link} is no link",
                remedy=f"move it away, or edit {raw}/table.csv",
            )
        link.symlink_to((folder / video).resolve())
    listed = ((name, f"videos/{video}", *rest) for name, video, *rest in rows)
    write_atomic(raw / "table.csv", csv_bytes(REQUIRED, listed))


@click.command(
    help="Write data/DATASET/raw: a table of the videos in FOLDER, and links to them. "
    "NAMING is how the data set names its files."
)
@click.argument("naming", type=click.Choice(sorted(NAMINGS)))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dataset", metavar="NAME", help="Name in params.yaml; the default is NAMING.")
@in_project
def command(workspace: Workspace, naming: str, folder: Path, dataset: str | None) -> None:
    """Write the table of a public data set."""
    name = check_name(dataset or naming)
    rows = NAMINGS[naming](folder)
    write_table(workspace.raw(name), folder, rows)
    classes = sorted({row[2] for row in rows})
    say(f"{workspace.raw(name)}: {len(rows)} clips of {len(classes)} classes")
