"""``stroi cache verify``: is a cache complete and unchanged, and made as this project would?"""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.errors import RefusedInput, raise_first
from stroi.cache.manifest import FileEntry, Manifest, read_manifest
from stroi.cache.share.info import form_of
from stroi.pipeline.cache_commands.common import (
    FOLDER,
    check_files,
    example,
    facts,
    many,
    size,
    with_jobs,
)
from stroi.pipeline.cache_commands.compare import compare
from stroi.pipeline.options import in_project
from stroi.pipeline.workspace import Workspace


def print_producer(folder: Path, manifest: Manifest) -> None:
    """Print what made a cache, by its manifest."""
    form = f" ({form_of(manifest.kind)} form)" if form_of(manifest.kind) else ""
    number = manifest.producer.get("stage_version")
    version = f" with stage version {number}" if isinstance(number, int) else ""
    click.echo(
        f"{folder}: {manifest.kind.removesuffix('_compact')}{form}, schema {manifest.schema}"
    )
    click.echo(f"  made by stroi {manifest.stroi_version}{version}")
    click.echo(f"  params {manifest.params_digest}")
    for key, text in facts(manifest.params):
        click.echo(f"    {key}: {text}")
    click.echo("  producer")
    for key, text in facts(manifest.producer):
        click.echo(f"    {key}: {text}")
    inputs = sorted({what for entry in manifest.files for what in entry.inputs})
    click.echo(
        f"  inputs: {', '.join(f'{what} of every sample' for what in inputs) or 'not recorded'}"
    )


def verify_folder(folder: Path, jobs: int) -> tuple[Manifest, list[RefusedInput]]:
    """Check one folder and print a line for every file."""
    lines: list[str] = []

    def on_checked(entry: FileEntry, problem: str) -> None:
        samples = f", {many(len(entry.ids), 'sample')}" if entry.ids else ""
        lines.append(f"{folder / entry.name}: {problem or f'ok{samples}, {size(entry.bytes)}'}")

    manifest = read_manifest(folder)
    problems = check_files(folder, manifest, jobs, received=True, on_file=on_checked)
    for line in lines:
        click.echo(line)
    print_producer(folder, manifest)
    return manifest, problems


@click.command(
    help="Check every file of each cache FOLDER: complete, unchanged, well-formed; and print "
    "what made it, with which params, from which inputs.\n\nWith --dataset, also "
    "compare them with the params, videos and skeletons of this project.\n\n"
    + example("stroi cache verify data/demo/mosaics --dataset demo")
)
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=FOLDER)
@click.option("--dataset", metavar="NAME", help="Compare with this data set of the project.")
@with_jobs
@in_project
def command(
    workspace: Workspace, folders: tuple[Path, ...], dataset: str | None, jobs: int
) -> None:
    """Verify caches."""
    problems: list[RefusedInput] = []
    for folder in folders:
        manifest, problems_here = verify_folder(folder, jobs)
        if dataset is not None:
            notes, others = compare(folder, manifest, workspace, dataset)
            problems_here += others
            for note in notes:
                click.echo(f"  {note}")
        sizes = sum(entry.bytes for entry in manifest.files)
        state = many(len(problems_here), "problem") if problems_here else "complete and untouched"
        counts = f"{many(len(manifest.files), 'file')}, {many(len(manifest.ids), 'sample')}"
        click.echo(f"{folder}: {counts}, {size(sizes)}: {state}")
        problems += problems_here
    raise_first(problems)
