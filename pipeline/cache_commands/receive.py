"""``stroi cache import``: a stranger's cache, checked before it is placed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from stroi.cache.manifest import Manifest
from stroi.cache.share.card import INDEX_NAMES, NOT_STATED
from stroi.cache.share.info import form_of
from stroi.cache.share.receive import Imported, import_cache
from stroi.pipeline.cache_commands.common import (
    ANY,
    counting_files,
    example,
    local_copy,
    many,
    place,
    with_jobs,
)
from stroi.pipeline.cache_commands.labels import check_index, place_index, refuse_other_index
from stroi.pipeline.shards.pose_sources import SHOWING, mixed_sources

_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_sha256(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """The value of ``--expect``."""
    if text and not _SHA256.fullmatch(text):
        raise click.BadParameter("want 64 hexadecimal digits in lower case")
    return text


@click.command(
    help="Check the received cache SOURCE, a folder, an archive of `stroi cache export`, or the "
    "URL of one (https://, s3://, hf://), and place it as TARGET, whole or not at all. A copy is "
    "checked, in processes with limits, and that copy is placed. A download that was cut goes on "
    "where it stopped.\n\n"
    + example("stroi cache import demo.tar data/demo/mosaics --index data/demo/index")
)
@click.argument("source", callback=place(exists=True))
@click.argument("target", type=ANY)
@click.option("--index", type=ANY, help="Place the labels that came with it in this folder.")
@click.option(
    "--expect",
    metavar="SHA256",
    default="",
    callback=check_sha256,
    help="The SHA-256 of manifest.json by its publisher; another one is refused.",
)
@click.option("--unpack", "unpacked", is_flag=True, help="Place compact mosaics as plain pixels.")
@with_jobs
def command(
    source: Path | str,
    target: Path,
    index: Path | None,
    expect: str,
    unpacked: bool,
    jobs: int,
) -> None:
    """Take in one cache."""
    labels: dict[str, bytes] = {}

    def check(folder: Path, manifest: Manifest) -> None:
        if index is not None:
            check_index(folder, manifest.ids)
            labels.update({name: (folder / name).read_bytes() for name in INDEX_NAMES})
            refuse_other_index(index, labels)

    with local_copy(source) as received:
        done = import_cache(
            received,
            target,
            expect=expect,
            unpacked=unpacked,
            jobs=jobs,
            check=check,
            watch=lambda manifest: counting_files(len(manifest.files)),
        )
    if index is not None:
        place_index(index, labels)
    _print_result(target, index, done)
    if done.manifest.kind.removesuffix("_compact") in SHOWING:
        for warning in mixed_sources(target, done.manifest.producer):
            click.echo(warning)


def _print_result(target: Path, index: Path | None, done: Imported) -> None:
    manifest, card = done.manifest, done.card
    form = f", {form_of(manifest.kind)} form" if form_of(manifest.kind) else ""
    kind = manifest.kind.removesuffix("_compact")
    click.echo(
        f"{target}: {'checked and placed' if done.placed else 'already there, and undamaged'}"
    )
    click.echo(
        f"  {kind}{form}, {many(len(manifest.ids), 'sample')}, stroi {manifest.stroi_version}"
    )
    if card is None:
        click.echo("  it has no card: ask the sender what it is and what you may do with it")
    else:
        for name in ("title", "dataset", "licence", "citation", "contact"):
            click.echo(f"  {name}: {_escaped(card.get(name, NOT_STATED))}")
    click.echo(f"  SHA-256 of the manifest: {done.manifest_sha256}")
    if index is not None:
        click.echo(f"  labels: {index}")
    click.echo(f"next: stroi cache info {target}")


def _escaped(value: Any) -> str:
    """A stranger's value as harmless text."""
    return ascii(value)[:300]
