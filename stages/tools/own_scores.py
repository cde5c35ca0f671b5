"""Command ``scores``: a score folder from the scores of any other network.

Legend of shapes: N clips, L classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal, get_args

import click
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.cache.scores import Scores, match_classes, write_scores
from stroi.pipeline.index.table import Index, read_index
from stroi.stages.tools.fuse import accuracy_text
from stroi.stages.tools.score_files import (
    IDS_REMEDY,
    read_list,
    read_pickle,
    read_table,
    rows_of,
)
from stroi.stages.training.outputs import TEST

Kind = Literal["logits", "softmax"]

_SMALLEST = np.finfo(np.float32).tiny


def own_scores(
    rows: Mapping[str, Sequence[float]], classes: Sequence[str], index: Index, kind: Kind = "logits"
) -> Scores:
    """Scores of any network, for `stroi.cache.scores.write_scores`.

    Args:
        rows: N rows of L values, by sample id; a folder before the id and an ending behind it,
            such as ``.skeleton``, are left away.
        classes: Names of the L columns, in any order.
        index: Index of the data set.
        kind: Whether the rows are logits or class probabilities, which become their logarithms.

    Returns:
        Logits sorted by id, with the columns in the order of the index.

    Raises:
        RefusedInput: ``ID_UNKNOWN`` or ``ID_DUPLICATE`` if the names are not ids of the index;
            ``SCORES_SHAPE`` if the rows have not L values; ``SCORES_KIND`` if they are not of that
            kind; ``CLASS_NAME`` if a class is there twice, ``ENSEMBLE_CLASSES`` if the index has
            other classes.
    """
    if len(set(classes)) < len(classes):
        twice = next(name for at, name in enumerate(classes) if name in classes[:at])
        raise RefusedInput(
            "CLASS_NAME", f"class {twice!a} is there twice", remedy="name each column once"
        )
    ids = _sample_ids(list(rows), {sample.id for sample in index.samples})
    values = _values(list(rows.values()), len(classes), kind)  # (N, L)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    scores = Scores(tuple(ids[at] for at in order), values[order], tuple(classes))
    return match_classes(scores, index.classes)


def _sample_ids(names: Sequence[str], known: set[str]) -> list[str]:
    ids = [name if name in known else PurePath(name).stem for name in names]
    unknown = [name for name, clip in zip(names, ids, strict=True) if clip not in known]
    if unknown:
        raise RefusedInput(
            "ID_UNKNOWN",
            f"{len(unknown)} of {len(names)} names are not in the index, first {unknown[0]!a}",
            remedy=IDS_REMEDY,
        )
    seen: set[str] = set()
    for clip in ids:
        if clip in seen:
            raise RefusedInput(
                "ID_DUPLICATE", f"{clip!a} has two rows", remedy="give one row for each clip"
            )
        seen.add(clip)
    return ids


def _values(rows: Sequence[Sequence[float]], width: int, kind: Kind) -> NDArray[np.float32]:
    """The rows as logits (N, L)."""
    try:
        values = np.array([np.asarray(row, np.float64).reshape(-1) for row in rows])
    except (ValueError, TypeError):
        values = np.zeros(0, np.float64)
    if values.ndim != 2 or values.shape[1] != width:
        found = f"rows of {values.shape[1]} values" if values.ndim == 2 else "rows of no one length"
        raise RefusedInput(
            "SCORES_SHAPE",
            f"{found}, but {width} classes",
            remedy="give one number per class in each row, and the name of every class",
        )
    sums_to_1 = (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-2)
    if sums_to_1 != (kind == "softmax"):
        found = "are" if sums_to_1 else "are not"
        other = "softmax" if sums_to_1 else "logits"
        raise RefusedInput(
            "SCORES_KIND",
            f"the rows {found} class probabilities: values from 0 with the sum 1",
            remedy=f"give them as --kind {other}",
        )
    if kind == "softmax":
        values = np.log(np.maximum(values, _SMALLEST))
    return values.astype(np.float32)


_HELP = """Write the scores in FILE, by any other network, as a score folder that `stroi fuse` sums.
Rows are matched to clips by id, columns to classes by name.

FILE is a CSV file with the columns id and one for each class, or a pickle: a dict of rows by clip,
as CTR-GCN and 2s-AGCN write it, or a list of rows, as pyskl writes it. A pickle may hold plain
values and numpy arrays; no code in it runs."""


@click.command(help=_HELP)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--index",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="data/DATASET/index.",
)
@click.option(
    "--classes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Class names in the order of the columns, one a line; needed for a pickle.",
)
@click.option(
    "--ids",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sample ids in the order of the rows, one a line, if FILE has no names or other ones.",
)
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="logits",
    show_default=True,
    help="What the rows are; softmax: class probabilities.",
)
@click.option("--name", default=TEST, show_default=True, help="Name of the score file.")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Score folder."
)
def command(
    file: Path,
    index: Path,
    classes: Path | None,
    ids: Path | None,
    kind: Kind,
    name: str,
    out: Path,
) -> None:
    """Write a score folder."""
    if file.suffix.lower() == ".csv":
        if classes is not None or ids is not None:
            raise click.UsageError("a CSV file names its clips and classes itself")
        rows, columns = read_table(file)
    elif classes is None:
        raise click.UsageError("a pickle does not name its classes: give --classes FILE")
    else:
        rows = rows_of(read_pickle(file), file, None if ids is None else read_list(ids))
        columns = read_list(classes)
    scores = own_scores(rows, columns, read_index(index), kind)
    write_scores(out, name, scores, params={"kind": kind}, producer={"scores": sha256_file(file)})
    click.echo(f"{out}: {len(scores.ids)} clips, {accuracy_text(scores, index)}")
    click.echo("compare this accuracy with the one that the network printed: it shows wrong names")
