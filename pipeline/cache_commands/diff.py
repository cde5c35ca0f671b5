"""``stroi cache diff``: the samples that differ between two caches, and by how much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from stroi.cache.errors import StroiError
from stroi.cache.manifest import read_manifest
from stroi.cache.percent import percent
from stroi.cache.share.diff import Difference, diff
from stroi.pipeline.cache_commands.common import (
    FOLDER,
    counting_samples,
    example,
    first_few,
    many,
    with_json,
)


def lines(difference: Difference, limit: int) -> Iterator[str]:
    """What differs, a line each."""
    for what, names in (
        ("only in A", difference.only_a),
        ("only in B", difference.only_b),
        ("differ", difference.changed),
    ):
        if names:
            yield f"{many(len(names), 'sample')} {what}: {first_few(names, limit)}"
    for group, changes in (("params", difference.params), ("producer", difference.producer)):
        for one in changes:
            key, a, b = (ascii(text)[1:-1][:200] for text in (one.key, one.a, one.b))
            yield f"{group} {key}: {a or 'missing'} in A, {b or 'missing'} in B"
    for name, field in difference.fields.items():
        values = ""
        if field.count:
            values = f", largest difference {field.largest:g}, mean {field.mean:.4g}"
        shapes = f", another shape in {field.reshaped}" if field.reshaped else ""
        yield f"{name}: differs in {many(field.samples, 'sample')}{values}{shapes}"
    pixels = difference.pixels
    if pixels.reshaped:
        yield f"pixels: another size in {many(pixels.reshaped, 'sample')}"
    if pixels.psnr:
        mean, least = sum(pixels.psnr) / len(pixels.psnr), min(pixels.psnr)
        yield (
            f"pixels: differ in {many(len(pixels.psnr), 'sample')}, "
            f"{percent(100 * pixels.share, 2)}% of them "
            f"by up to {pixels.largest}; PSNR {mean:.1f} dB on average, {least:.1f} dB at least"
        )
    if difference.other_files:
        yield f"(other files that differ: {', '.join(difference.other_files)})"


@click.command(
    help="List the samples that differ between the caches A and B, and by how much: params, "
    "producer, every field, pixels. Exit code 0 if they are the same, 1 if not. Digests "
    "are compared, not bytes, so verify received caches first.\n\n"
    + example("stroi cache diff data/demo/mosaics /mnt/theirs/mosaics --limit 3")
)
@click.argument("a", type=FOLDER)
@click.argument("b", type=FOLDER)
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Samples to name."
)
@with_json
def command(a: Path, b: Path, limit: int, as_json: bool) -> None:
    """Compare two caches."""
    total = len(set(read_manifest(a).ids) & set(read_manifest(b).ids))
    with counting_samples(total, "diff") as on_sample:
        difference = diff(a, b, on_sample=on_sample)
    if as_json:
        click.echo(json.dumps(difference.to_dict(), indent=1, sort_keys=True))
    else:
        for line in lines(difference, limit):
            click.echo(line)
    if not difference.same:
        raise StroiError(
            "DIFFERENT",
            f"{a} and {b} are not the same: of {many(difference.common, 'common sample')}"
            f" {len(difference.changed)} differ",
        )
    if not as_json:
        click.echo(f"{a} and {b} are the same: {many(difference.common, 'sample')}")
