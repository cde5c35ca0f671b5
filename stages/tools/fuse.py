"""Command ``fuse``: sum score folders of any networks and streams by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import MANIFEST_NAME
from stroi.cache.percent import percent
from stroi.cache.scores import Scores, join, match_classes, read_scores, write_scores
from stroi.pipeline.index.table import read_index
from stroi.stages.training.outputs import TEST
from stroi.trainer.metrics.ensemble import ensemble, sum_streams
from stroi.trainer.metrics.significance import accuracy_interval

_SMALLEST = np.finfo(np.float32).tiny


def fuse_scores(
    streams: Sequence[Scores], weights: Sequence[float], kind: str = "logits"
) -> Scores:
    """The weighted sum of some networks' scores.

    Args:
        streams: Scores of one set of samples, each in any order.
        weights: One factor per stream; 1 each if empty.
        kind: ``logits``, or ``softmax``: class probabilities are added up, and the result is the
            logarithm of their mean, whose softmax that mean is again.

    Returns:
        Scores sorted by id.

    Raises:
        RefusedInput: ``ENSEMBLE_IDS`` or ``ENSEMBLE_CLASSES`` if the streams do not belong
            together.
        ValueError: If there are not as many weights as streams.
    """
    factors = list(weights) or [1.0] * len(streams)
    if kind == "logits":
        return sum_streams(streams, factors)
    ids, logits = join(streams)
    mean = ensemble(logits, kind="softmax", weights=factors) / sum(factors)
    logs = np.log(np.maximum(mean, _SMALLEST)).astype(np.float32)
    return Scores(ids, logs, streams[0].classes)


def read_streams(folders: Sequence[Path], name: str) -> list[Scores]:
    """Scores of all folders.

    Raises:
        RefusedInput: If a folder is damaged or lacks the file; ``ENSEMBLE_IDS`` or
            ``ENSEMBLE_CLASSES``, naming the folders, if two do not belong together.
    """
    streams = [read_scores(folder, name) for folder in folders]
    for folder, stream in zip(folders[1:], streams[1:], strict=True):
        try:
            join([streams[0], stream])
        except RefusedInput as error:
            text = error.message.replace("stream 1", str(folder)).replace(
                "stream 0", str(folders[0])
            )
            raise RefusedInput(error.code, text, remedy=error.remedy) from None
    return streams


def parse_weights(text: str | None, count: int) -> tuple[float, ...]:
    """Comma-separated factors, one per stream; () for none.

    Raises:
        click.BadParameter: If they are malformed, negative, all 0 or not `count`.
    """
    if text is None:
        return ()
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} are no numbers with commas between") from None
    if len(weights) != count:
        raise click.BadParameter(f"{len(weights)} weights for {count} score folders")
    if not all(0 <= weight < np.inf for weight in weights) or not any(weights):
        raise click.BadParameter("weights are finite, not negative, and not all 0")
    return weights


def accuracy_text(scores: Scores, index: Path) -> str:
    """Accuracy of some scores with its interval, in words.

    Raises:
        RefusedInput: If the index is damaged, of other classes, or lacks a clip.
    """
    samples = read_index(index)
    scores = match_classes(scores, samples.classes, other=str(index))
    label_of = samples.labels(scores.ids)
    actual = np.array([label_of[name] for name in scores.ids], np.int64)
    hits = scores.logits.argmax(axis=1) == actual
    share, (low, high) = float(hits.mean()), accuracy_interval(hits[None])
    return f"{percent(100 * share)} % (95 % interval {percent(100 * low)} - {percent(100 * high)})"


@click.command(
    help="Sum the score folders SCORES, such as runs/RUN/gcn/seed-0/scores, by id into --out. "
    "Networks, streams and runs may differ if they scored the same clips."
)
@click.argument(
    "scores", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--weights", metavar="W,W,...", help="One factor for each folder; 1 each if absent.")
@click.option(
    "--kind",
    type=click.Choice(["logits", "softmax"]),
    default="logits",
    show_default=True,
    help="What is summed.",
)
@click.option("--name", default=TEST, show_default=True, help="Name of the score files.")
@click.option(
    "--index",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="data/DATASET/index: print the accuracy of each folder and of the sum.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="New folder."
)
def command(
    scores: tuple[Path, ...],
    weights: str | None,
    kind: str,
    name: str,
    index: Path | None,
    out: Path,
) -> None:
    """Sum score files by id."""
    if out.resolve() in {folder.resolve() for folder in scores}:
        raise click.BadParameter(f"{out} is among the folders to sum", param_hint="--out")
    factors = parse_weights(weights, len(scores))
    streams = read_streams(scores, name)
    total = fuse_scores(streams, factors, kind)
    if index is not None:
        for folder, stream in zip(scores, streams, strict=True):
            click.echo(f"{folder}: {accuracy_text(stream, index)}")
    write_scores(
        out,
        name,
        total,
        params={"kind": kind, "weights": list(factors) or [1.0] * len(scores)},
        producer={"fused": [sha256_file(folder / MANIFEST_NAME) for folder in scores]},
    )
    accuracy = f": {accuracy_text(total, index)}" if index is not None else ""
    click.echo(f"{out}: {len(total.ids)} clips, {len(scores)} score files summed{accuracy}")
