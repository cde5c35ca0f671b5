"""``stroi cache info``: a summary of a cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from stroi.cache.percent import percent
from stroi.cache.share.card import find_estimator
from stroi.cache.share.info import Info, describe
from stroi.pipeline.cache_commands.common import FOLDER, example, facts, many, size, with_json


def lines(info: Info) -> Iterator[tuple[str, str]]:
    """Names and texts of the summary; received texts are escaped."""
    yield "kind", f"{info.kind.removesuffix('_compact')}{f', {info.form} form' * bool(info.form)}"
    yield "made by", f"stroi {info.stroi_version}, schema {info.schema}"
    estimator = find_estimator(info.producer)
    if estimator:
        yield "estimator", f"{estimator['estimator']!a}, model {estimator['model']!a}"
    yield "samples", f"{info.samples} in {many(info.shards, 'shard')}"
    if info.persons:
        yield "persons", ", ".join(f"{count} of {who}" for who, count in info.persons.items())
    if info.frames:
        yield "frames", str(info.frames)
    if info.height:
        yield "mosaic", info.mosaic
        yield "black cells", f"{percent(100 * info.black_cells, 2)}%"
    codes = ", ".join(f"{code!a} {count}" for code, count in info.quarantined.items())
    yield "quarantined", f"{sum(info.quarantined.values())}{f': {codes}' * bool(codes)}"
    for key, text in facts(info.packed or {}):
        yield f"packed {key}", text
    yield "size", f"{size(info.bytes)} in {many(info.files, 'file')}"
    yield "inputs", ", ".join(info.inputs) or "not recorded"
    yield "params", info.params_digest
    for key, text in facts(info.params):
        yield f"  {key}", text
    yield "producer", ""
    for key, text in facts(info.producer):
        yield f"  {key}", text
    yield "manifest", f"SHA-256 {info.manifest_sha256}"


@click.command(
    help="Summarise the cache FOLDER: kind, version, params, estimator, counts, sizes. Digests "
    "are not checked; `stroi cache verify` does that.\n\n"
    + example("stroi cache info data/demo/mosaics")
)
@click.argument("folder", type=FOLDER)
@with_json
def command(folder: Path, as_json: bool) -> None:
    """Describe one cache."""
    info = describe(folder)
    if as_json:
        click.echo(json.dumps(info.to_dict(), indent=1, sort_keys=True))
        return
    for name, text in lines(info):
        click.echo(f"{name:<24} {text}".rstrip())
