"""``stroi cache diff``: which samples of two caches differ, and how much."""

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
from stroi.pipeline.options import say


def lines(found: Difference, limit: int) -> Iterator[str]:
    """What differs, a line each."""
    for what, names in (
        ("only in A", found.only_a),
        ("only in B", found.only_b),
        ("differ", found.changed),
    ):
        if names:
            yield f"{many(len(names), 'sample')} {what}: {first_few(names, limit)}"
    for group, changes in (("params", found.params), ("producer", found.producer)):
        for one in changes:
            key, a, b = (ascii(text)[1:-1][:200] for text in (one.key, one.a, one.b))
            yield f"{group} {key}: {a or 'missing'} in A, {b or 'missing'} in B"
    for name, field in found.fields.items():
        told = f", largest difference {field.largest:g}, mean {field.mean:.4g}" * bool(field.count)
        shapes = f", another shape in {field.reshaped}" if field.reshaped else ""
        yield f"{name}: differs in {many(field.samples, 'sample')}{told}{shapes}"
    pixels = found.pixels
    if pixels.reshaped:
        yield f"pixels: another size in {many(pixels.reshaped, 'sample')}"
    if pixels.psnr:
        mean, least = sum(pixels.psnr) / len(pixels.psnr), min(pixels.psnr)
        yield (
            f"pixels: differ in {many(len(pixels.psnr), 'sample')}, "
            f"{percent(100 * pixels.share, 2)}% of them "
            f"by up to {pixels.largest}; PSNR {mean:.1f} dB on average, {least:.1f} dB at least"
        )
    if found.other_files:
        yield f"(other files that differ: {', '.join(found.other_files)})"


@click.command(
    help="Say which samples of the caches A and B differ, and how much: params, producer, every "
    "field, pixels. Exit code 0 if they are the same, 1 if not. Samples are the same if their "
    "digests are, so verify caches first that you received.\n\n"
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
    with counting_samples(total, "diff") as tell:
        found = diff(a, b, on_sample=tell)
    if as_json:
        say(json.dumps(found.to_dict(), indent=1, sort_keys=True))
    else:
        for line in lines(found, limit):
            say(line)
    if not found.same:
        raise StroiError(
            "DIFFERENT",
            f"{a} and {b} are not the same: of {many(found.common, 'common sample')}"
            f" {len(found.changed)} differ",
        )
    if not as_json:
        say(f"{a} and {b} are the same: {many(found.common, 'sample')}")
