"""``stroi cache pack`` and ``unpack``: between the form to share and the form to train from."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.manifest import Manifest, read_manifest
from stroi.cache.share.convert import pack, unpack
from stroi.pipeline.cache_commands.common import (
    ANY,
    FOLDER,
    counting_samples,
    example,
    many,
    size,
)


def _print_sizes(folder: Path, target: Path, made: Manifest) -> None:
    before, after = (
        sum(entry.bytes for entry in manifest.files) for manifest in (read_manifest(folder), made)
    )
    click.echo(
        f"{target}: {many(len(made.ids), 'sample')}, {size(after)}; {folder} has {size(before)}"
    )


@click.command(
    "pack",
    help="Write the compact form of the mosaics in FOLDER to TARGET: one image per sample, a "
    "fraction of the size, the same ids, boxes and flags. jpeg loses a little, webp nothing.\n\n"
    + example("stroi cache pack data/demo/mosaics demo-compact --codec webp"),
)
@click.argument("folder", type=FOLDER)
@click.argument("target", type=ANY)
@click.option(
    "--codec", type=click.Choice(["jpeg", "webp"]), default="jpeg", show_default=True, help="How."
)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg.")
def pack_command(folder: Path, target: Path, codec: str, quality: int | None) -> None:
    """Pack one cache."""
    with counting_samples(len(read_manifest(folder).ids), "pack") as on_sample:
        made = pack(folder, target, codec=codec, quality=quality, on_sample=on_sample)
    _print_sizes(folder, target, made)
    psnr = made.extra["packed"]["psnr_db"]
    loss = f"PSNR {psnr['mean']:.1f} dB on average, {psnr['min']:.1f} dB at least" if psnr else ""
    click.echo(f"{codec}: {loss or 'nothing is lost'}")


@click.command(
    "unpack",
    help="Write the training form of the compact mosaics in FOLDER to TARGET. From webp "
    "exactly the bytes that were packed.\n\n"
    + example("stroi cache unpack demo-compact data/demo/mosaics"),
)
@click.argument("folder", type=FOLDER)
@click.argument("target", type=ANY)
def unpack_command(folder: Path, target: Path) -> None:
    """Unpack one cache."""
    with counting_samples(len(read_manifest(folder).ids), "unpack") as on_sample:
        made = unpack(folder, target, on_sample=on_sample)
    _print_sizes(folder, target, made)
