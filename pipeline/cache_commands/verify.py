"""``stroi cache verify``: complete, untouched, made with these params from these inputs?"""

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
from stroi.pipeline.options import in_project, say
from stroi.pipeline.workspace import Workspace


def tell_maker(folder: Path, manifest: Manifest) -> None:
    """Print what made a cache, as its manifest says."""
    form = f" ({form_of(manifest.kind)} form)" if form_of(manifest.kind) else ""
    algorithm = manifest.producer.get("algorithm")
    version = f" with algorithm {algorithm}" if isinstance(algorithm, int) else ""
    say(f"{folder}: {manifest.kind.removesuffix('_compact')}{form}, schema {manifest.schema}")
    say(f"  made by stroi {manifest.stroi_version}{version}")
    say(f"  params {manifest.params_digest}")
    for key, text in facts(manifest.params):
        say(f"    {key}: {text}")
    say("  producer")
    for key, text in facts(manifest.producer):
        say(f"    {key}: {text}")
    inputs = sorted({what for entry in manifest.files for what in entry.inputs})
    say(f"  inputs: {', '.join(f'{what} of every sample' for what in inputs) or 'not recorded'}")


def verify_folder(folder: Path, jobs: int) -> tuple[Manifest, list[RefusedInput]]:
    """Check one folder, telling of every file."""
    lines: list[str] = []

    def told(entry: FileEntry, problem: str) -> None:
        samples = f", {many(len(entry.ids), 'sample')}" if entry.ids else ""
        lines.append(f"{folder / entry.name}: {problem or f'ok{samples}, {size(entry.bytes)}'}")

    manifest = read_manifest(folder)
    problems = check_files(folder, manifest, jobs, received=True, on_file=told)
    for line in lines:
        say(line)
    tell_maker(folder, manifest)
    return manifest, problems


@click.command(
    help="Check every file of each cache FOLDER: complete, untouched, well-formed; and say what "
    "made it, with which params, from which inputs.\n\nWith --dataset, also whether these are the "
    "params of this project and the videos and skeletons that lie in it.\n\n"
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
        manifest, found = verify_folder(folder, jobs)
        if dataset is not None:
            notes, others = compare(folder, manifest, workspace, dataset)
            found += others
            for note in notes:
                say(f"  {note}")
        sizes = sum(entry.bytes for entry in manifest.files)
        told = many(len(found), "problem") if found else "complete and untouched"
        counts = f"{many(len(manifest.files), 'file')}, {many(len(manifest.ids), 'sample')}"
        say(f"{folder}: {counts}, {size(sizes)}: {told}")
        problems += found
    raise_first(problems)
