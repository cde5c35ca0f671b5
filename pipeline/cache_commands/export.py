"""``stroi cache export``: a cache for strangers, with a card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from stroi.cache.errors import raise_first
from stroi.cache.files.staging import refuse_existing
from stroi.cache.manifest import read_manifest
from stroi.cache.share.card import NOT_STATED, About
from stroi.cache.share.publish import AS_IT_IS, FORMS, export_cache
from stroi.cache.share.upload import require_writable, upload
from stroi.pipeline.cache_commands.common import (
    FOLDER,
    Command,
    check_files,
    counting_bytes,
    counting_samples,
    example,
    many,
    place,
    size,
    with_jobs,
)
from stroi.pipeline.cache_commands.labels import index_of


@contextmanager
def written_at(target: Path | str) -> Iterator[Path]:
    """Where to write what belongs to `target`: there, or a place that is uploaded after the block.

    Raises:
        ParamsError, StroiError: As `stroi.cache.share.upload.upload`.
    """
    if isinstance(target, Path):
        yield target
        return
    with TemporaryDirectory(prefix="stroi-export-") as folder:
        made = Path(folder) / target.rstrip("/").rpartition("/")[2]
        yield made
        upload(made, target, counting_bytes("upload"))


def check_free(target: Path | str) -> None:
    """Refuse a place that is taken, or a URL that cannot be written to.

    Raises:
        ParamsError, StroiError: ``TARGET_EXISTS``; as `stroi.cache.share.upload.require_writable`.
    """
    if isinstance(target, Path):
        refuse_existing(target)
    else:
        require_writable(target)


def with_about(made: str) -> Callable[[Command], Command]:
    """Give a command the options of a card, passed on as its argument ``about``.

    Args:
        made: How it came of its data set, such as ``made from``.
    """

    def decorate(function: Command) -> Command:
        @click.option("--title", default=NOT_STATED, help="What the publication is called.")
        @click.option("--dataset-name", default=NOT_STATED, help=f"Data set that it was {made}.")
        @click.option(
            "--licence", default=NOT_STATED, help="SPDX name or one sentence; no default."
        )
        @click.option("--citation", default=NOT_STATED, help="What to cite.")
        @click.option("--contact", default=NOT_STATED, help="Whom to ask.")
        @wraps(function)
        def wrapped(
            *args: Any,
            title: str,
            dataset_name: str,
            licence: str,
            citation: str,
            contact: str,
            **kwargs: Any,
        ) -> None:
            about = About(title, dataset_name, licence, citation, contact)
            function(*args, about=about, **kwargs)

        return wrapped

    return decorate


@click.command(
    help="Publish the cache FOLDER as TARGET: a folder, or an archive if it ends in .tar, here or "
    "at a URL that can be written to (s3://, hf://). It is "
    "verified first; a card (card.json, README.md, a contact sheet) goes with it, and nothing "
    "that names this machine or its user.\n\n"
    + example("stroi cache export data/demo/mosaics demo.tar --licence CC-BY-4.0 --codec jpeg")
)
@click.argument("folder", type=FOLDER)
@click.argument("target", callback=place(exists=False))
@with_about("made from")
@click.option(
    "--codec",
    type=click.Choice(FORMS),
    default=AS_IT_IS,
    show_default=True,
    help="Form of published mosaics: plain pixels, or packed.",
)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg.")
@click.option("--index", type=FOLDER, help="Publish the labels in this index too.")
@click.option("--no-sheet", is_flag=True, help="Leave out the contact sheet.")
@with_jobs
def command(
    folder: Path,
    target: Path | str,
    codec: str,
    quality: int | None,
    index: Path | None,
    no_sheet: bool,
    jobs: int,
    about: About,
) -> None:
    """Publish one cache."""
    check_free(target)
    manifest = read_manifest(folder)
    raise_first(check_files(folder, manifest, jobs, received=False))
    labels = index_of(index, manifest.ids) if index is not None else None
    with (
        written_at(target) as local,
        counting_samples(len(manifest.ids), "export") as on_sample,
    ):
        done = export_cache(
            folder,
            local,
            about,
            form=codec,
            quality=quality,
            index=labels,
            sheet=not no_sheet,
            on_sample=on_sample,
        )
    if about.licence == NOT_STATED:
        click.echo("warning: no licence: others may not use this; see --licence", err=True)
    with_labels = "with labels" if labels else "without labels"
    counts = f"{many(done.info.samples, 'sample')} {with_labels}, {many(done.files, 'file')}"
    click.echo(f"{target}: {counts}, {size(done.bytes)}")
    click.echo(f"SHA-256 of its manifest: {done.manifest_sha256}")
    if done.archive_sha256:
        click.echo(f"SHA-256 of the archive: {done.archive_sha256}")
    click.echo(
        "publish the manifest's SHA-256 too: receivers check with it that the cache is yours"
    )
