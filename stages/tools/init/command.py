"""The command line of ``stroi init``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import check_name, load_project
from stroi.pipeline.workspace import Workspace
from stroi.stages.tools.init.options import (
    LABELS,
    PEOPLE,
    SOURCES,
    InitOptions,
    default_labels,
    prompt_missing,
)
from stroi.stages.tools.init.setup import check_project, set_up
from stroi.stages.tools.init.splits import COLUMNS

_HELP = """Make the videos or skeletons below a folder data set NAME of this project: link them to
data/NAME/raw, write the commented profile profiles/NAME.yaml, and add NAME and a run to
params.yaml. Then `dvc repro` does the rest.

On a terminal it asks for missing options; elsewhere, or with --yes, it takes the defaults.
An existing profile and run are kept, so that it can be run again.

\b
Examples:
  stroi init mine --videos ~/videos
  stroi init mine --videos ~/videos --pattern '{subject}_{camera}_{*}'
  stroi init mine --videos ~/videos --table ~/clips.csv --split subject
  stroi init mine --videos ~/videos --folds 5 --all
  stroi init mine --skeletons ~/mocap --layout joints.yaml
  stroi init ntu60 --videos /data/ntu --labels ntu60
"""


@click.command(help=_HELP)
@click.argument("name")
@click.option(
    "--videos",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the videos; the default is data/NAME/raw, if it exists.",
)
@click.option(
    "--labels",
    type=click.Choice(LABELS),
    help="Source of the class labels: a folder for each (folders), a table.csv (table), or the"
    " names of a known data set. Default: table if there is one, else folders.",
)
@click.option(
    "--table",
    metavar="CSV",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The table, if it is not DIR/table.csv; its paths are relative to DIR.",
)
@click.option(
    "--pattern",
    metavar="PATTERN",
    help="Pattern of the videos' names, without their ending (folders), such as"
    " '{subject}_{camera}_{*}'; {subject:3} has three characters.",
)
@click.option(
    "--split",
    metavar="BY",
    help=f"What a split keeps on one side: {', '.join(COLUMNS)}; or the name of a split of an"
    " existing profile. Default: train and test folders, else subjects, else groups, else id.",
)
@click.option(
    "--folds",
    metavar="K",
    type=click.IntRange(min=2),
    help="Folds; as many as there are subjects leaves one subject out. Default: 5 at most.",
)
@click.option(
    "--all",
    "all_folds",
    is_flag=True,
    help="Add a run for every fold, and one table of all of them together.",
)
@click.option("--people", type=click.Choice(PEOPLE), help="People kept per clip. Default: auto.")
@click.option("--source", type=click.Choice(SOURCES), help="Source of skeletons. Default: movenet.")
@click.option(
    "--skeletons",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of your own 3D skeletons, .npz or .csv, with or without videos"
    " (docs/own-skeletons.md).",
)
@click.option(
    "--layout",
    metavar="NAME|FILE",
    help="Their joints: kinect_v1, kinect_v2, body25_3d, coco17_3d, mocap35 or a YAML file."
    " Default: DIR/layout.yaml.",
)
@click.option(
    "--camera",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The camera of the videos, or several by name, as YAML. Default: DIR/camera.yaml.",
)
@click.option("--unit", type=click.Choice(("m", "cm", "mm")), help="Their unit. Default: m.")
@click.option("--force", is_flag=True, help="Write the profile anew; link to other videos.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@in_project
def command(
    workspace: Workspace,
    /,
    name: str,
    videos: Path | None,
    skeletons: Path | None,
    table: Path | None,
    force: bool,
    yes: bool,
    **rest: Any,
) -> None:
    """Set up one data set."""
    check_name(name)
    check_project(workspace)
    interactive = not yes and sys.stdin.isatty() and sys.stdout.isatty()
    given = {key: value for key, value in rest.items() if value is not None}
    folder = videos or skeletons or _videos(workspace, name, interactive)
    labels = default_labels([one for one in (folder, skeletons) if one], table)
    options = InitOptions(name, folder, labels=labels, table=table, skeletons=skeletons)
    options = replace(options, **given)
    options = prompt_missing(options, set(given)) if interactive else options
    done = set_up(workspace, options, given=given, force=force)
    if done.pool:
        click.echo(f"next: `dvc repro pool@{done.pool}`; `dvc repro` alone runs all of params.yaml")
    elif done.rgb and len(load_project(workspace.root).runs) == 1:
        click.echo("next: `dvc repro`")
    elif done.rgb:
        click.echo(
            f"next: `dvc repro report@{done.run}`; `dvc repro` alone runs all of params.yaml"
        )
    else:
        click.echo(
            f"next: `dvc repro gcn-report@{done.run}`, the graph network alone: too few clips have"
            " videos for the other stages, and `dvc repro` alone would stop there"
        )


def _videos(workspace: Workspace, name: str, interactive: bool) -> Path:
    raw = workspace.raw(name)
    if raw.is_dir():
        return raw
    if not interactive:
        raise click.UsageError(f"no folder of videos: give --videos DIR, or put them into {raw}")
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    folder: Path = click.prompt("Folder of the videos", type=kind)
    return folder
