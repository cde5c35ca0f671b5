"""``stroi cache verify``: is a cache complete and unchanged, and made as this project would?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from stroi.cache.errors import RefusedInput, raise_first, refusals_naming, renamed
from stroi.cache.manifest import FileEntry, Manifest, read_manifest
from stroi.cache.share.info import form_of
from stroi.cache.share.receive import copy_received
from stroi.pipeline.cache_commands.common import (
    check_files,
    example,
    facts,
    local_copy,
    many,
    place,
    size,
    with_jobs,
)
from stroi.pipeline.cache_commands.compare import compare
from stroi.pipeline.options import in_project
from stroi.pipeline.workspace import Workspace

Show = Callable[[str], None]


def print_producer(folder: Path, manifest: Manifest, show: Show) -> None:
    """Print what made a cache, by its manifest."""
    form = f" ({form_of(manifest.kind)} form)" if form_of(manifest.kind) else ""
    number = manifest.producer.get("stage_version")
    version = f" with stage version {number}" if isinstance(number, int) else ""
    show(f"{folder}: {manifest.kind.removesuffix('_compact')}{form}, schema {manifest.schema}")
    show(f"  made by stroi {manifest.stroi_version}{version}")
    show(f"  params {manifest.params_digest}")
    for key, text in facts(manifest.params):
        show(f"    {key}: {text}")
    show("  producer")
    for key, text in facts(manifest.producer):
        show(f"    {key}: {text}")
    inputs = sorted({what for entry in manifest.files for what in entry.inputs})
    show(f"  inputs: {', '.join(f'{what} of every sample' for what in inputs) or 'not recorded'}")


def verify_folder(folder: Path, jobs: int, show: Show) -> tuple[Manifest, list[RefusedInput]]:
    """Check one folder and print a line for every file."""
    lines: list[str] = []

    def on_checked(entry: FileEntry, problem: str) -> None:
        samples = f", {many(len(entry.ids), 'sample')}" if entry.ids else ""
        lines.append(f"{folder / entry.name}: {problem or f'ok{samples}, {size(entry.bytes)}'}")

    manifest = read_manifest(folder)
    problems = check_files(folder, manifest, jobs, received=True, on_file=on_checked)
    for line in lines:
        show(line)
    print_producer(folder, manifest, show)
    return manifest, problems


@contextmanager
def opened(source: Path | str) -> Iterator[Path]:
    """The folder of a cache while a block runs: itself, or what an archive or a URL holds."""
    with local_copy(source) as local:
        if local.is_dir():
            yield local
            return
        with TemporaryDirectory(prefix="stroi-verify-") as scratch:
            folder = Path(scratch) / "cache"
            with refusals_naming(folder, source):
                copy_received(local, folder)
                yield folder


def verify_place(
    source: Path | str, workspace: Workspace, dataset: str | None, jobs: int
) -> list[RefusedInput]:
    """Check one cache, print what is found, and return its problems."""
    with opened(source) as folder:

        def show(text: str) -> None:
            click.echo(text.replace(str(folder), str(source)))

        manifest, problems = verify_folder(folder, jobs, show)
        if dataset is not None:
            notes, others = compare(folder, manifest, workspace, dataset)
            problems += others
            for note in notes:
                show(f"  {note}")
        sizes = sum(entry.bytes for entry in manifest.files)
        state = many(len(problems), "problem") if problems else "complete and untouched"
        counts = f"{many(len(manifest.files), 'file')}, {many(len(manifest.ids), 'sample')}"
        show(f"{folder}: {counts}, {size(sizes)}: {state}")
        return [renamed(problem, folder, source) for problem in problems]


@click.command(
    help="Check every file of each cache FOLDER, which may be an archive or a URL too: complete, "
    "unchanged, well-formed; and print what made it, with which params, from which inputs.\n\n"
    "With --dataset, also compare them with the params, videos and skeletons of this project.\n\n"
    + example("stroi cache verify data/demo/mosaics --dataset demo")
)
@click.argument(
    "sources", metavar="FOLDER...", nargs=-1, required=True, callback=place(exists=True)
)
@click.option("--dataset", metavar="NAME", help="Compare with this data set of the project.")
@with_jobs
@in_project
def command(
    workspace: Workspace, sources: tuple[Path | str, ...], dataset: str | None, jobs: int
) -> None:
    """Verify caches."""
    raise_first(
        [each for source in sources for each in verify_place(source, workspace, dataset, jobs)]
    )
