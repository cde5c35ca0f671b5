"""``stroi run``: trained runs as archives to give away, and such archives taken in."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.files.staging import refuse_existing
from stroi.cache.share.card import NOT_STATED, About
from stroi.pipeline.cache_commands.common import (
    ANY,
    counting_bytes,
    example,
    local_copy,
    many,
    place,
    size,
)
from stroi.pipeline.cache_commands.export import check_free, with_about, written_at
from stroi.pipeline.cache_commands.receive import check_sha256
from stroi.pipeline.lazy import LazyGroup
from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace

_HERE = __name__


@click.group(
    cls=LazyGroup,
    table={
        "export": (f"{_HERE}:export", "Pack a trained run as one archive."),
        "import": (f"{_HERE}:import_", "Check a packed run and place it."),
    },
)
def command() -> None:
    """Give away trained runs, and take them in.

    A packed run holds its networks, weights, scores, params and metrics, and a card. It needs no
    project: `stroi predict FOLDER VIDEO` answers with it.
    """


@click.command(
    help="Pack the trained RUN as the archive OUT, here or at a URL that can be written to (s3://, "
    "hf://): networks, weights, scores, params, metrics and a card, and nothing that names this "
    "machine or its user.\n\n"
    + example("stroi run export demo-xsub demo-xsub.tar --licence CC-BY-4.0")
)
@click.argument("run")
@click.argument("out", callback=place(exists=False))
@in_project
@with_about("trained on")
def export(workspace: Workspace, run: str, out: Path | str, about: About) -> None:
    """Pack one run."""
    from stroi.stages.shelf.pack import pack_run

    params = load_run(workspace.root, run)
    check_free(out)
    with written_at(out) as local:
        packed = pack_run(workspace, params, local, about)
    if about.licence == NOT_STATED:
        click.echo("warning: no licence: others may not use this; see --licence", err=True)
    card = packed.card
    total = sum(file.bytes for file in card.files)
    branches = f"{', '.join(card.branches)}, {many(len(card.seeds), 'seed')}"
    click.echo(f"{out}: {branches}, {len(card.classes)} classes")
    click.echo(f"  {many(len(card.files) + 1, 'file')}, {size(total)}")
    click.echo(f"SHA-256 of its run.json: {packed.card_sha256}")
    click.echo("publish that too: receivers check with it that the run is yours")


@click.command(
    help="Check the packed run SOURCE, an archive of `stroi run export` or the URL of one "
    "(https://, s3://, hf://), and place it as the folder TARGET, whole or not at all. Every "
    "network is read in a process with limits.\n\n"
    + example("stroi run import demo-xsub.tar shelf/demo-xsub")
)
@click.argument("source", callback=place(exists=True))
@click.argument("target", type=ANY)
@click.option(
    "--expect",
    metavar="SHA256",
    default="",
    callback=check_sha256,
    help="The SHA-256 of run.json by its publisher; another one is refused.",
)
def import_(source: Path | str, target: Path, expect: str) -> None:
    """Take in one run."""
    from stroi.stages.shelf.receive import import_run

    refuse_existing(target)
    with local_copy(source) as received:
        total = received.stat().st_size if received.is_file() else 0
        with counting_bytes("copy")(total) as on_bytes:
            card = import_run(received, target, expect=expect, on_bytes=on_bytes)
    click.echo(f"{target}: checked and placed")
    click.echo(f"  run {card.run}: {', '.join(card.branches)}, seeds {list(card.seeds)}")
    for name in ("title", "dataset", "licence", "citation", "contact"):
        click.echo(f"  {name}: {ascii(card.about.get(name, NOT_STATED))[:300]}")
    if "row7" in card.metrics:
        click.echo(f"  accuracy of the ensemble (row 7): {card.metrics['row7']:g} %")
    click.echo(f"next: stroi predict {target} VIDEO")
